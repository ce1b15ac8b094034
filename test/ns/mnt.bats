load ../lib

# The folder of this test is mounted inside, too: that is how the program is spoken to.
there()
{
	[ -z "${PLAIN:-}" ] || return 0
	dump --external "mnt[$TEST_DIR]:folder" "$@"
	until_true is_gone || fail "pid $PID still runs after the dump"
}

and_back()
{
	restore --root "$TEST_DIR/root" --external "mnt[folder]:$TEST_DIR" "$@"
	runs "$PID" || fail "pid $PID does not run after the restore: $(cat "$TEST_DIR/result" 2>&1)"
}

@test "mnt: a root of its own, a tmpfs, a part of the root" {
	start ns/mnt basic
	there
	and_back
	check
}

@test "mnt: what lies in memory" {
	start ns/mnt contents
	there
	and_back
	check
}

@test "mnt: file systems of the kernel, whole and in parts" {
	start ns/mnt system
	there
	and_back
	check
}

@test "mnt: open, mapped and removed files that are covered" {
	start ns/mnt files
	there
	and_back
	check
}

@test "mnt: peers, masters and slaves" {
	start ns/mnt groups
	there
	and_back
	check
}
