load ../lib

@test "aio: results that wait in the ring" {
	start mm/aio
	dump_and_restore
	check
}

@test "aio: a ring whose results go over its end" {
	start mm/aio turned
	dump_and_restore
	check
}

@test "aio: a dump that leaves the program running changes none of it" {
	start mm/aio
	dump --leave-running
	check
}

@test "aio: requests that are under way complete before memory is saved" {
	start mm/aio busy
	dump_and_restore
	check
}
