load served

here=$BATS_TEST_DIRNAME

@test "python3: threads that hand work on, subprocesses, a deleted file" {
	start_program python3 "$here/threads.py"
	dump_and_restore
	check
	nothing_left
}

@test "python3: a dump that leaves it running" {
	start_program python3 "$here/threads.py"
	dump --leave-running
	next_images again
	dump --leave-running
	check
}

@test "python3: a pool of processes" {
	start_program python3 "$here/pool.py"
	dump_and_restore
	check
	nothing_left
}

@test "python3: an event loop" {
	start_program python3 "$here/loop.py"
	dump_and_restore
	check
}

@test "python3: an asyncio server with threads and children" {
	net_begin
	serve python3 "$here/stream_server.py" 10.99.0.1 fd99::1
	until_true listens 7000 2 || fail "it does not listen"
	client clients python3 "$here/stream_clients.py" 10.99.0.1 fd99::1
	rounds
	ended clients
	! [ -s "$TEST_DIR"/err ] || fail "$(cat "$TEST_DIR"/err)"
}

all_have_ended()
{
	nothing_left >/dev/null
}

@test "python3: processes that share memory by name, queues, a manager and a pool" {
	start_program python3 "$here/exchange.py" "$ROUNDS"
	in_rounds
	# The one that looks after the names of shared memory ends when all others have.
	until_true all_have_ended || nothing_left
}
