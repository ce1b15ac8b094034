load ../lib

@test "rseq: registered, and aborted from the section in which it was saved" {
	start task/rseq
	dump_and_restore
	check
}

@test "rseq: a dump that leaves the program running leaves the section as it was" {
	start task/rseq
	dump --leave-running
	check
}
