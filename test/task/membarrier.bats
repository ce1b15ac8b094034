load ../lib

@test "membarrier: all registrations" {
	start task/membarrier
	dump_and_restore
	check
}
