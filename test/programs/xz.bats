load ../lib

has_output()
{
	[ "$(stat -c %s "$TEST_DIR/disturbed.xz" 2>/dev/null || echo 0)" -gt "${1:-1000}" ]
}

# Text that is neither trivial nor hopeless to compress: $1 MiB.
input()
{
	awk -v n=$(($1 << 20)) 'BEGIN {
		srand(1)
		while (size < n) {
			line = sprintf("%d %x %s", rand() * 1e6, rand() * 2e9, substr("lorem ipsum dolor sit amet", rand() * 20))
			size += length(line) + 1
			print line
		}
	}' >"$TEST_DIR/input"
}

@test "xz: two threads write what they write undisturbed" {
	local command="xz -4 -T2 --block-size=1MiB -c '$TEST_DIR/input'"

	input 6
	bash -c "$command >'$TEST_DIR/undisturbed.xz'"
	launch bash -c "$command >'$TEST_DIR/disturbed.xz'; echo \$? >'$TEST_DIR/status'"
	until_true has_output
	dump_and_restore
	until_true is_gone
	[ "$(cat "$TEST_DIR/status")" = 0 ]
	cmp "$TEST_DIR/undisturbed.xz" "$TEST_DIR/disturbed.xz"
}
