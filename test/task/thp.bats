load ../lib

@test "thp: the flag survives" {
	start task/thp
	dump_and_restore
	check
}
