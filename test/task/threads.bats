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
