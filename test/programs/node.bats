load ../lib
load refuse_port

here=$BATS_TEST_DIRNAME
export UV_USE_IO_URING=0

@test "node: workers on shared memory, timers, compression, files" {
	start_program node "$here/workers.js"
	dump_and_restore
	check
}

@test "node: a server is refused for its socket" {
	start_program node "$here/server.js"
	refuse_port "$(cat "$TEST_DIR/ready.1")"
}
