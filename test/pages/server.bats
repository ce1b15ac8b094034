# A dump whose pages go to a page server.
load ../pages

@test "page server: a disk that is full, and the program runs on" {
	local small=$TEST_DIR/small

	start mm/lazy 48 idle
	mkdir "$small"
	mount -t tmpfs -o size=2m none "$small" || skip "nothing can be mounted"
	serve small page-server
	to_server
	refuses "cannot dump $PID: memory of pid $PID: the page server: *; its log may say why" \
		"$STASIS" dump -t "$PID" -D "$IMAGES" "${TO[@]}"
	served small "cannot serve pages: 'pages-65537.img': write: No space left on device" || { umount -l "$small" && return 1; }
	umount -l "$small"
	check
}

@test "page server: killed while it takes pages, and the program runs on" {
	start mm/lazy 200 idle
	serve server page-server
	to_server
	kill -STOP "$SERVER"
	{ sleep 0.5 && kill -KILL "$SERVER"; } 3>&- &
	refuses "cannot dump $PID: *: the page server: *; its log may say why" \
		"$STASIS" dump -t "$PID" -D "$IMAGES" "${TO[@]}"
	wait "$SERVER" 2>/dev/null || true
	check
}

@test "page server: one that does nothing is waited for as long as --timeout says" {
	start mm/lazy 200 idle
	serve server page-server
	to_server
	kill -STOP "$SERVER"
	refuses "cannot dump $PID: memory of pid $PID: the page server: '127.0.0.1', port $PORT does nothing for 2 seconds" \
		"$STASIS" dump -t "$PID" -D "$IMAGES" --timeout 2 "${TO[@]}"
	kill -CONT "$SERVER"
	served server "cannot serve pages: *"
	check
}

@test "page server: a dump that is killed is not taken for a whole one" {
	start mm/lazy 16 idle
	serve server page-server
	to_server
	refuses "cannot dump $PID: a fault was asked for after the step 'pages'" "$STASIS" dump -t "$PID" -D "$IMAGES" --inject-fault pages "${TO[@]}"
	served server "cannot serve pages: the other side has ended *"
	refuses "cannot restore *" "$STASIS" restore -D "$TEST_DIR/server" -d
	check
}

@test "page server: garbage, and whom it does not know" {
	serve server page-server
	# shellcheck disable=SC2016
	bash -c 'exec 9<>/dev/tcp/127.0.0.1/'"$PORT"' && head -c 100000 /dev/urandom >&9' 2>/dev/null 3>&- || true
	served server "cannot serve pages: *"
	[ -z "$(ls "$TEST_DIR"/server/*.img 2>/dev/null)" ] || fail "there are images"
}

@test "page server: it is for one, and a second finds nobody" {
	start mm/lazy 16 idle
	serve server page-server
	to_server
	exec 9<>/dev/tcp/127.0.0.1/"$PORT"
	until_true not_listening
	refuses "cannot dump $PID: the page server: connect to '127.0.0.1', port $PORT: Connection refused; is the page server running?" \
		"$STASIS" dump -t "$PID" -D "$IMAGES" "${TO[@]}"
	exec 9>&-
	served server "cannot serve pages: the other side has ended before it said that all was sent"
	check
}

not_listening()
{
	[ -z "$(ss -tlnH "sport = :$PORT")" ]
}

@test "page server: others can reach it only by TLS, or if that is wanted" {
	refuses "cannot serve pages: at '0.0.0.0' anybody in the network could read and write these pages; use --tls, or an address like 127.0.0.1 with a tunnel by ssh, or --insecure if nobody else is there" \
		"$STASIS" page-server -D "$IMAGES" --address 0.0.0.0
	refuses "cannot serve pages: 'localhost' is no address: *; a page server takes numbers, not names" \
		"$STASIS" page-server -D "$IMAGES" --address localhost
	refuses "options '--port', '--ps-socket' and '--tls' are for page servers only; is '--page-server' missing?" \
		"$STASIS" dump -t 1 -D "$IMAGES" --port 1
	refuses "*options '--page-server' and '--compress' exclude each other*" \
		"$STASIS" dump -t $$ -D "$IMAGES" --page-server --address 127.0.0.1 --port 1 --compress
}

@test "page server: a program with threads and children comes back from it" {
	start mm/lazy 48
	serve server page-server
	to_server
	dump "${TO[@]}"
	served server
	[ -z "$(ls "$IMAGES"/pages-*.img "$IMAGES"/pagemap-*.img 2>/dev/null)" ] || fail "pages are here"
	together server
	until_true is_gone
	restore
	check
}

@test "page server: shared memory" {
	start mm/shmem
	serve server page-server
	to_server
	dump "${TO[@]}"
	served server
	together server
	until_true is_gone
	restore
	check
}

@test "page server: in the background, with a pid file" {
	start mm/lazy 16 idle
	mkdir "$TEST_DIR/server"
	quietly "$STASIS" page-server -d -D "$TEST_DIR/server" -v4 -o server.log --pidfile pid
	SERVER=$(cat "$TEST_DIR/server/pid")
	PORT=$(sed -n 's/.*Using \([0-9]*\) port.*/\1/p' "$TEST_DIR/server/server.log")
	to_server
	dump "${TO[@]}"
	until_true is_over "$SERVER"
	together server
	until_true is_gone
	restore
	check
}

is_over()
{
	! runs "$1"
}

# sent COMMAND [OPTIONS]: the next of a chain, to a server of its own.
sent()
{
	local parent=()

	[ "$ROUND" = 1 ] || parent=(--prev-images-dir "../images.$((ROUND - 1))")
	[ "$ROUND" = 1 ] || with=(--prev-images-dir "../server.$((ROUND - 1))")
	serve "server.$ROUND" page-server "${with[@]}" "${ALSO[@]}"
	to_server
	quietly "$STASIS" "$1" -t "$PID" -D "$IMAGES" -v4 -o dump.log --timeout 60 --track-mem "${parent[@]}" "${TO[@]}"
	served "server.$ROUND"
}

@test "page server: a chain of folders" {
	local with=() ALSO=()

	skip_unless uffd_wp_async
	skip_unless pagemap_scan
	start freeze/increment 3
	sent pre-dump
	go
	sent pre-dump
	go
	ALSO=(--auto-dedup)
	sent pre-dump
	go
	sent dump
	[ "$(du -k "$TEST_DIR"/server.4/pages-65537.img | cut -f1)" -lt "$(du -k "$TEST_DIR"/server.1/pages-65537.img | cut -f1)" ] ||
		fail "the last one is as large as the first"
	together server.4
	until_true is_gone
	restore
	check
}

@test "page server: without its folder before all pages are sent" {
	start freeze/increment 1
	serve server.1 page-server
	to_server
	quietly "$STASIS" pre-dump -t "$PID" -D "$IMAGES" -v4 -o dump.log "${TO[@]}"
	served server.1
	go
	serve server.2 page-server
	to_server
	dump --track-mem --prev-images-dir ../images.1 "${TO[@]}"
	served server.2
	together server.2
	until_true is_gone
	restore
	check
}

@test "page server: it gives the pages of images" {
	start mm/lazy 16 idle
	dump --leave-running
	mkdir "$TEST_DIR/server"
	cp "$IMAGES"/*.img "$TEST_DIR/server"
	serve server page-server --lazy-pages
	python3 test/pages/ask.py "$PORT" "$PID" "$TEST_DIR/server" <("$STASIS" show "$TEST_DIR/server/pagemap-$PID.img")
	served server
	serve server page-server --lazy-pages
	to_server
	refuses "cannot dump $PID: *the page server: *" "$STASIS" dump -t "$PID" -D "$IMAGES" "${TO[@]}"
	served server "cannot serve pages: it wants to store pages, and here are pages to be taken; a page server takes pages without --lazy-pages"
	check
}
