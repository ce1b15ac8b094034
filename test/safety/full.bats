# The folder of the images has no room for all of them.
load ../lib
load safety

# What the harness does at the end, and before that what it cannot remove.
eval "$(declare -f teardown | sed '1s/teardown/harness_teardown/')"

teardown()
{
	umount "$TEST_DIR"/small 2>/dev/null || true
	harness_teardown
}

# small KIB: a folder that has no more.
small()
{
	[ -z "${PLAIN:-}" ] || skip "nothing is saved"
	mkdir "$TEST_DIR"/small
	mount -t tmpfs -o size="$1"k none "$TEST_DIR"/small || skip "no tmpfs can be mounted"
	IMAGES=$TEST_DIR/small
}

# full KIB [OPTIONS]: one sentence, which names a process of the tree, and nothing has happened to that.
full()
{
	local before said status=0 pid

	small "$1"
	shift
	sleep 0.2
	before=$(snapshot)
	said=$("$STASIS" dump -t "$PID" -D "$IMAGES" -o "$TEST_DIR"/dump.log --timeout "$TIMEOUT" --freeze=stop "$@" 3>&- 2>&1) || status=$?
	[ "$status" = 1 ] || fail "the dump ended with $status and said: $said"
	[[ $said =~ ^"cannot dump $PID: memory of pid "([0-9]+)": "[^$'\n']*"No space left on device"[^$'\n']*$ ]] ||
		fail "it said: $said"
	pid=${BASH_REMATCH[1]}
	tree | grep -qx "$pid" || fail "pid $pid is none of the tree"
	unchanged "$before" "behind the dump"
	[ ! -e "$IMAGES"/inventory.img ] || fail "the images look complete"
	umount "$IMAGES"
	next_images 2
	dump_and_restore
	check
}

@test "full: while the files of several processes are written" {
	start mm/crowd
	full 30000
}

@test "full: before the first one is done" {
	start mm/crowd
	full 3000
}

@test "full: while they are compressed" {
	start mm/crowd
	full 3000 --compress=lz4
}

@test "full: in a tree that runs on" {
	start mm/crowd
	full 30000 --leave-running
}
