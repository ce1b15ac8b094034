load ../lib

@test "seccomp: strict mode" {
	start task/seccomp_strict
	dump_and_restore
	check
}

@test "seccomp: filters, thread by thread, deadly ones too" {
	start task/seccomp_filter
	dump_and_restore
	check
}

@test "seccomp: a dump that leaves the program running leaves its filters on" {
	start task/seccomp_filter
	dump --leave-running
	check
}

@test "seccomp: filters that all threads share" {
	start task/seccomp_same
	dump_and_restore
	check
}
