load ../lib

@test "zombies: exit codes and deaths by signal wait for their parent" {
	start task/zombies
	dump_and_restore
	check
}

@test "zombies: they are left as they were by a dump that fails" {
	start task/zombies
	dump --leave-running
	check
}
