load ../lib

@test "pipe: unread bytes and packets, sizes, half-closed and shared ends" {
	start fd/pipe
	dump_and_restore
	check
}

@test "pipe: a dump that leaves the program running takes nothing out" {
	start fd/pipe
	dump --leave-running
	check
}
