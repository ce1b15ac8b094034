load ../lib

@test "fown: owners, their signals, and by whom they were set; O_ASYNC" {
	start fd/fown
	dump_and_restore
	check
}

@test "fown: a dump that leaves the program running sends no signal" {
	start fd/fown
	dump --leave-running
	check
}
