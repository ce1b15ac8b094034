load ../lib

@test "signals: handlers, flags, masks" {
	start task/sigactions
	dump_and_restore
	check
}

@test "signals: pending ones, private and shared, with their values and in their order" {
	start task/pending
	dump_and_restore
	check
}

@test "signals: pending ones are still there after a dump that leaves the program running" {
	start task/pending
	dump --leave-running
	check
}
