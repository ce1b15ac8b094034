load ../lib

has_output()
{
	[ "$(stat -c %s "$TEST_DIR/disturbed.xz" 2>/dev/null || echo 0)" -gt 1000 ]
}

@test "xz: two threads write what they write undisturbed" {
	local command="xz -1 -T2 --block-size=1MiB -c '$TEST_DIR/input'"

	head -c 8M "$(gcc -print-prog-name=cc1)" >"$TEST_DIR/input"
	bash -c "$command >'$TEST_DIR/undisturbed.xz'"
	launch bash -c "$command >'$TEST_DIR/disturbed.xz'; echo \$? >'$TEST_DIR/status'"
	until_true has_output
	carry_over
	until_true is_gone
	[ "$(cat "$TEST_DIR/status")" = 0 ]
	cmp "$TEST_DIR/undisturbed.xz" "$TEST_DIR/disturbed.xz"
}
