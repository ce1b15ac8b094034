load ../lib

@test "personality: every thread's own" {
	start task/personality
	dump_and_restore
	check
}
