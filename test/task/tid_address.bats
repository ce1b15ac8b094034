load ../lib

@test "tid_address: the word that is cleared at the end of each thread" {
	start task/tid_address
	dump_and_restore
	check
}
