load ../lib

@test "sigpending: private and shared signals, with their values and in their order" {
	start task/sigpending
	dump_and_restore
	check
}

@test "sigpending: they are still there after a dump that leaves the program running" {
	start task/sigpending
	dump --leave-running
	check
}

@test "sigpending: an ignored SIGTRAP that was blocked when it came" {
	start task/sigpending ignored
	dump_and_restore
	check
}
