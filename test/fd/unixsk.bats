load ../lib

@test "unixsk: pairs of all types, what waits in them, ends that are shut or gone, options" {
	start fd/unixsk
	dump_and_restore
	check
}

@test "unixsk: a dump that leaves the program running takes nothing out" {
	start fd/unixsk
	dump --leave-running
	check
}
