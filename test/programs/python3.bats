load ../lib

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
