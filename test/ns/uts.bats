load ../lib

@test "uts: host name and domain name" {
	start ns/uts
	dump_and_restore
	check
}

@test "uts: a dump that leaves the tree running" {
	start ns/uts
	dump --leave-running
	check
}

@test "uts: twice" {
	start ns/uts
	dump_and_restore
	next_images 2
	dump_and_restore
	check
}
