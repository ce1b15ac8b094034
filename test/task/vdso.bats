load ../lib

@test "vdso: threads that ask for the time while they are saved" {
	start task/vdso
	dump_and_restore
	check
}

@test "vdso: the old vsyscall page" {
	start task/vdso vsyscall
	dump_and_restore
	check
}
