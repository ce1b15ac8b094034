load ../lib

@test "timerslack: every thread's own" {
	start task/timerslack
	dump_and_restore
	check
}
