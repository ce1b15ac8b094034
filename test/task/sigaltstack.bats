load ../lib

@test "sigaltstack: in a handler on an alternate stack" {
	start task/sigaltstack
	dump_and_restore
	check
}
