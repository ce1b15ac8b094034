load ../lib

@test "unixsk: paths, abstract names, names that are gone; listening, accepted, waiting; datagrams by name" {
	start fd/unixsk_names
	dump_and_restore
	check
}

@test "unixsk: names: a dump that leaves the program running takes nothing out" {
	start fd/unixsk_names
	dump --leave-running
	check
}
