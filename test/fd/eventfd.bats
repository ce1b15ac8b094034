load ../lib

@test "eventfd: counters of any size, semaphores" {
	start fd/eventfd
	dump_and_restore
	check
}

@test "eventfd: a dump that leaves the program running changes no counter" {
	start fd/eventfd
	dump --leave-running
	check
}
