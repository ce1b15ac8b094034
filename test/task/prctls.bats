load ../lib

@test "prctls: time stamp counter, broken memory, speculation, merging of pages" {
	start task/prctls
	dump_and_restore
	check
}
