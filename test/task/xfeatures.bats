load ../lib

@test "xfeatures: AMX may still be used" {
	start task/xfeatures
	dump_and_restore
	check
}
