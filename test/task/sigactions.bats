load ../lib

@test "sigactions: handlers, flags, masks, restorers" {
	start task/sigactions
	dump_and_restore
	check
}
