load ../lib

@test "cpu_timers: on the processor time of one thread" {
	skip_unless timer_cr_ids
	start task/cpu_timers
	dump_and_restore
	check
}
