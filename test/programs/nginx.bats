load served

start_nginx()
{
	local n

	net_begin
	mkdir -p "$TEST_DIR"/www/small "$TEST_DIR"/www/put
	for ((n = 0; n < 50; n++)); do
		yes "this is /small/$n" | head -n 20 >"$TEST_DIR/www/small/$n"
	done
	head -c 3000000 /dev/urandom >"$TEST_DIR"/www/large
	chmod 0777 "$TEST_DIR"/www/put
	sed "s,@DIR@,$TEST_DIR,g" "$BATS_TEST_DIRNAME"/nginx.conf.in >"$TEST_DIR"/nginx.conf
	serve nginx -e "$TEST_DIR"/error.log -c "$TEST_DIR"/nginx.conf
	until_true listens || fail "$(cat "$TEST_DIR"/error.log)"
}

listens()
{
	there bash -c 'exec 9<>/dev/tcp/10.99.0.1/80' 2>/dev/null
}

all_logged()
{
	[ "$(wc -l <"$TEST_DIR"/access.log)" = "$(cat "$TEST_DIR"/requests)" ]
}

has_new_workers()
{
	local now

	now=$(pgrep -P "$PID")
	[ "$(wc -l <<<"$now")" = 2 ] && [ -z "$(comm -12 <(echo "$workers") <(echo "$now"))" ]
}

@test "nginx: workers, connections that stay, half a request, large files both ways" {
	start_nginx
	workers=$(pgrep -P "$PID")
	client clients python3 "$BATS_TEST_DIRNAME"/nginx_clients.py 10.99.0.1 fd99::1
	# Bodies on their way to the other server are in files without a name.
	rounds --ghost-limit 10M
	ended clients
	# Each request was answered once, by the two workers that there were.
	until_true all_logged || fail "$(wc -l <"$TEST_DIR"/access.log) are logged of $(cat "$TEST_DIR"/requests)"
	[ "$(pgrep -P "$PID")" = "$workers" ]
	kill -HUP "$PID"
	until_true has_new_workers || fail "it does not start other workers: $(ps f -p "$PID" --ppid "$PID" -o pid,args)"
	kill -QUIT "$PID"
	until_true is_gone
	! grep -E '\[(error|crit|alert|emerg)\]' "$TEST_DIR"/error.log || fail "nginx complains"
}
