load ../lib

@test "time: clocks go on where they stopped" {
	start ns/time 1
	dump
	until_true is_gone
	sleep 1
	restore
	check
}

@test "time: a dump that leaves the tree running" {
	start ns/time
	dump --leave-running
	check
}
