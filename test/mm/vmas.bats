load ../lib

@test "vmas: ten thousand mappings" {
	start mm/vmas 10000
	dump_and_restore
	check
}
