load ../lib

@test "affinity: every thread's own processors" {
	start task/affinity
	dump_and_restore
	check
}
