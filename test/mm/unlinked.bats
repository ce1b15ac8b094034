load ../lib

@test "unlinked: a mapped file without a name is shared by two processes" {
	start mm/unlinked
	dump_and_restore
	check
}
