load ../lib

@test "dumpable: it stays not dumpable" {
	start task/dumpable
	dump_and_restore
	check
}
