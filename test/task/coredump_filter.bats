load ../lib

@test "coredump_filter: the value survives" {
	start task/coredump_filter
	dump_and_restore
	check
}
