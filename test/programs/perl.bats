load ../lib

@test "perl: timer signals, children at pipes, a deleted file" {
	start_program perl "$BATS_TEST_DIRNAME/answers.pl"
	dump_and_restore
	check
	nothing_left
}
