load ../lib

@test "regs: general registers, flags, fs and gs base of a thread in user code" {
	start task/regs
	dump_and_restore
	check
}

@test "regs: a dump that leaves it running changes none" {
	start task/regs
	dump --leave-running
	check
}

@test "regs: x87, MXCSR and AVX of a thread in user code" {
	start task/xstate
	dump_and_restore
	check
}

@test "regs: they survive a dump that leaves the program running" {
	start task/xstate
	dump --leave-running
	check
}

@test "regs: AVX-512" {
	start task/xstate avx512
	dump_and_restore
	check
}

@test "regs: protection keys" {
	start task/pkru
	dump_and_restore
	check
}
