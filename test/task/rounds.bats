load ../lib

@test "rounds: ten in a row on the same process, and its sums are right" {
	start task/rounds 10
	for _ in 1 2 3 4 5 6 7 8 9 10; do
		dump_and_restore
		go
	done
	dump_and_restore
	check
}

@test "rounds: ten dumps that leave it running" {
	start task/rounds 10
	for _ in 1 2 3 4 5 6 7 8 9 10; do
		dump --leave-running
		go
	done
	check
}
