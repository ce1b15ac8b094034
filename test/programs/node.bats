load served

here=$BATS_TEST_DIRNAME
export UV_USE_IO_URING=0

@test "node: workers on shared memory, timers, compression, files" {
	start_program node "$here/workers.js"
	dump_and_restore
	check
}

@test "node: a server goes on answering" {
	start_program node "$here/server.js"
	dump_and_restore
	exec 9<>"/dev/tcp/127.0.0.1/$(cat "$TEST_DIR/ready.1")"
	read -r said <&9
	[ "$said" = hello ] || fail "it says '$said'"
	check
}

answers()
{
	there bash -c 'exec 9<>/dev/tcp/10.99.0.1/8080 && exec 9<>/dev/tcp/fd99::1/8080' 2>/dev/null
}

@test "node: a server with timers and events that go on, and requests that stop in the middle" {
	net_begin
	serve node "$here/events.js" 10.99.0.1 fd99::1
	until_true answers || fail "it does not answer: $(cat "$TEST_DIR"/err)"
	client clients python3 "$here/events_clients.py" 10.99.0.1 fd99::1
	rounds
	ended clients
	! [ -s "$TEST_DIR"/err ] || fail "$(cat "$TEST_DIR"/err)"
}
