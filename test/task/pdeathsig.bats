load ../lib

@test "pdeathsig: every thread's own parent-death signal" {
	start task/pdeathsig
	dump_and_restore
	check
}
