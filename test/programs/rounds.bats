load ../lib

# ten_rounds: saved and restored before each go, to the end.
ten_rounds()
{
	local i

	for ((i = 1; i <= 10; i++)); do
		dump_and_restore
		[ "$i" = 10 ] || go
	done
	touch "$TEST_DIR/go.10"
	until_true is_gone
}

@test "rounds: ten on a pipeline into xz, and its checksum is the same" {
	local parts=$BATS_TEST_DIRNAME/parts.sh part=$TEST_DIR/part

	head -c 400000 "$(command -v bash)" >"$part"
	for _ in 1 2 3 4 5 6 7 8 9 10 11; do cat "$part"; done | xz -2 -T2 --block-size=512KiB | sha256sum >"$TEST_DIR/undisturbed"
	start_program bash -c "'$parts' '$part' 10 | xz -2 -T2 --block-size=512KiB | sha256sum >'$TEST_DIR/disturbed'"
	ten_rounds
	cmp "$TEST_DIR/undisturbed" "$TEST_DIR/disturbed"
	nothing_left
}

@test "rounds: ten on threads in python3, and their checksum is the same" {
	start_program python3 "$BATS_TEST_DIRNAME/sums.py" 10
	ten_rounds
	[ "$(cat "$TEST_DIR/result")" = ok ]
	[ "$(cat "$TEST_DIR/out")" = "$(python3 "$BATS_TEST_DIRNAME/sums.py")" ]
}
