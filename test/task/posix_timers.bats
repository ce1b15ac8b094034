load ../lib

@test "posix_timers: ids, gaps, overruns, time left, and whom they tell" {
	start task/posix_timers
	dump_and_restore
	check
}

@test "posix_timers: a dump that leaves the program running loses no overrun" {
	start task/posix_timers
	dump --leave-running
	check
}
