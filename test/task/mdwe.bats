load ../lib

@test "mdwe: memory that is never writable and executable" {
	start task/mdwe
	dump_and_restore
	check
}

@test "mdwe: a dump that leaves the program running" {
	start task/mdwe
	dump --leave-running
	check
}
