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

# container CASE: the program is the first process of a new pid namespace, PID its number here.
container()
{
	unshare --pid --ipc --uts --fork true 2>/dev/null || skip "no pid namespace can be made"
	launch unshare --pid --ipc --uts --fork "$BUILD/test/ns/mnt" "$@"
	wait_ready
	PID=$(tr -d ' ' <"/proc/$PID/task/$PID/children")
}

back_in_container()
{
	and_back --pidfile "$TEST_DIR/pid" "$@"
}

@test "mnt: a container with its own processes" {
	container system
	there
	restore --root "$TEST_DIR/root" --external "mnt[folder]:$TEST_DIR" --pidfile pid
	PID=$(cat "$IMAGES/pid")
	check
}

@test "mnt: sockets, pipes, watches, terminals and devices" {
	start ns/mnt objects
	there
	and_back
	check
}

@test "mnt: files that have lost the name by which they were opened" {
	start ns/mnt links
	there --link-remap
	and_back --link-remap
	[ ! -e "$TEST_DIR"/root/link_remap* ] || fail "$(ls "$TEST_DIR/root")"
	check
}

@test "mnt: a dump that leaves the tree running" {
	start ns/mnt links
	dump --external "mnt[$TEST_DIR]:folder" --link-remap --leave-running
	check
}

@test "mnt: twice, as a stream, compressed" {
	start ns/mnt files
	there
	and_back
	next_images 2
	there --compress --dedup-pages
	and_back
	"$STASIS" dump -t "$PID" --external "mnt[$TEST_DIR]:folder" --stream >"$TEST_DIR/stream"
	until_true is_gone
	"$STASIS" restore --stream -d -D "$IMAGES" --root "$TEST_DIR/root" --external "mnt[folder]:$TEST_DIR" <"$TEST_DIR/stream"
	check
}

@test "mnt: what does not come back is named" {
	local root=$TEST_DIR/root

	start ns/mnt basic
	refuse "cannot dump $PID: the mnt namespace of pid $PID: the mount '$TEST_DIR' (x)"
}
