load ../lib

@test "advice: what mlock, mlock2 and madvise have set" {
	start mm/advice
	dump_and_restore
	check
}
