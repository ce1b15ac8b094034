load ../lib

@test "misc: names, flags and numbers of process and threads" {
	start task/misc
	dump_and_restore
	check
}

@test "misc: a dump that leaves the program running changes none of them" {
	start task/misc
	dump --leave-running
	check
}
