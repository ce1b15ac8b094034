load ../lib

@test "comm: every thread's own name, also an odd one" {
	start task/comm
	dump_and_restore
	check
}
