load ../lib

@test "shared: tables of descriptors and current directories are shared by whom they were" {
	start fd/shared
	dump_and_restore
	check
}

@test "shared: a dump that leaves the program running changes nothing" {
	start fd/shared
	dump --leave-running
	check
}
