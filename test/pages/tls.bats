# Pages under TLS: both sides show a certificate, and the one that connects looks at the name.
load ../pages
load ../certificates

@test "tls: a page server takes no plain words, and none from strangers" {
	all_certificates
	authority stranger
	certificate stranger other
	start mm/lazy 16 idle

	by server
	serve plain page-server "${TLS[@]}"
	to_server
	refuses "cannot dump $PID: *: the page server: *" "$STASIS" dump -t "$PID" -D "$IMAGES" "${TO[@]}"
	served plain "cannot serve pages: the other side: TLS: *"

	serve server page-server "${TLS[@]}"
	to_server
	by other
	refuses "cannot dump $PID: *the page server: *" "$STASIS" dump -t "$PID" -D "$IMAGES" "${TO[@]}" "${TLS[@]}"
	served server "cannot serve pages: the other side: TLS: *"

	by server
	serve again page-server "${TLS[@]}"
	to_server
	by client stranger
	refuses "cannot dump $PID: the page server: '127.0.0.1', port $PORT: TLS: The certificate is NOT trusted. *" \
		"$STASIS" dump -t "$PID" -D "$IMAGES" "${TO[@]}" "${TLS[@]}"
	served again "cannot serve pages: the other side: TLS: *"
	check
}

@test "tls: the name has to be that of the address, unless that is not looked at" {
	all_certificates
	certificate ca elsewhere DNS:somewhere.else
	start mm/lazy 16 idle
	by elsewhere
	serve server page-server "${TLS[@]}"
	to_server
	by client
	refuses "cannot dump $PID: the page server: '127.0.0.1', port $PORT: TLS: The certificate is NOT trusted. The name in the certificate does not match the expected. " \
		"$STASIS" dump -t "$PID" -D "$IMAGES" "${TO[@]}" "${TLS[@]}"
	served server "cannot serve pages: the other side: TLS: *"
	by elsewhere
	serve again page-server "${TLS[@]}"
	to_server
	by client
	dump "${TO[@]}" "${TLS[@]}" --tls-no-cn-verify
	served again
	together again
	until_true is_gone
	restore
	check
}

@test "tls: files that are missing or no good" {
	refuses "cannot serve pages: option '--tls-cacert': '/nowhere': *" "$STASIS" page-server -D "$IMAGES" --tls --tls-cacert /nowhere
	all_certificates
	refuses "cannot serve pages: option '--tls-cacrl': '/nowhere': *" "$STASIS" page-server -D "$IMAGES" --tls --tls-cacert "$TEST_DIR/ca.pem" --tls-cacrl /nowhere
	by client
	rm "$TEST_DIR/client.pem"
	refuses "cannot serve pages: option '--tls-cert': *" "$STASIS" page-server -D "$IMAGES" "${TLS[@]}"
	by server
	echo garbage >"$TEST_DIR/server.key"
	refuses "cannot serve pages: option '--tls-key': *" "$STASIS" page-server -D "$IMAGES" "${TLS[@]}"
}

@test "tls: a program with threads and children comes back from a page server" {
	all_certificates
	start mm/lazy 48
	by server
	serve server page-server "${TLS[@]}"
	to_server
	by client
	dump "${TO[@]}" "${TLS[@]}"
	served server
	together server
	until_true is_gone
	restore
	check
}
