load ../lib

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
