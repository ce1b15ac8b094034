load ../lib

@test "mempolicy: of threads, a child, and thousands of mappings" {
	start task/mempolicy
	dump_and_restore
	check
}

@test "mempolicy: a dump that leaves the program running changes none of it" {
	start task/mempolicy
	dump --leave-running
	check
}
