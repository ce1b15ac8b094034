load ../lib

@test "sched: policy, priority, nice, reset on fork" {
	start task/sched
	dump_and_restore
	check
}
