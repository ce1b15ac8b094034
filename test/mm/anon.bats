load ../lib

@test "anon: private memory, written and not, with and without rights, sparse" {
	start mm/anon
	dump_and_restore
	check
}

@test "anon: a dump that leaves the program running changes none of it" {
	start mm/anon
	dump --leave-running
	check
}
