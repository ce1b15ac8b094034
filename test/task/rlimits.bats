load ../lib

@test "rlimits: soft and hard, also below what is in use" {
	start task/rlimits
	dump_and_restore
	check
}
