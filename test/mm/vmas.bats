load ../lib

@test "vmas: ten thousand mappings" {
	start mm/vmas 10000
	dump_and_restore
	check
}

@test "vmas: a thousand shared objects" {
	start mm/vmas 1000 shared
	dump_and_restore
	check
}
