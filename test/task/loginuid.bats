load ../lib

@test "loginuid: it is the same user" {
	start task/loginuid
	dump_and_restore
	check
}
