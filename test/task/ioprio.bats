load ../lib

@test "ioprio: every thread's own class and level" {
	start task/ioprio
	dump_and_restore
	check
}
