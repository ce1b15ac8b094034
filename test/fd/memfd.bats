load ../lib

@test "memfd: descriptions, mappings, seals, owner and mode" {
	start fd/memfd
	dump_and_restore
	check
}

@test "memfd: a dump that leaves the program running changes none of it" {
	start fd/memfd
	dump --leave-running
	check
}
