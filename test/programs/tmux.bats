load rounds

@test "tmux: a server with shells and vim, and a client in a terminal" {
	start_program python3 "$BATS_TEST_DIRNAME/tmux_inside.py" "$ROUNDS"
	in_rounds
	nothing_left
}
