load ../lib

@test "threads: hundreds keep their tids, stacks, names and thread-locals" {
	start task/threads 300
	dump_and_restore
	check
}

@test "threads: a dump that leaves them running changes nothing" {
	start task/threads 50
	dump --leave-running
	check
}

@test "threads: one has a child" {
	start task/threads 10 7
	dump_and_restore
	check
}

# With so many, children are found by looking at all processes for their parent.
@test "threads: one of a thousand has a child" {
	skip_if_emulated
	start task/threads 1000 7
	dump_and_restore
	check
}
