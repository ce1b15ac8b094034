load ../lib
load hosts

@test "migrate: a process with memory of all sorts, there and back" {
	hosts_begin
	start_on a mm/anon
	moved a b
	moved b a
	check_on a
	nothing_left_on a b
}

@test "migrate: a tree with something of everything" {
	hosts_begin
	start_on a safety/rich
	moved a b --mode=stop --file-locks
	check_on b
	nothing_left_on a b
}

@test "migrate: memory that is written all the while, in rounds" {
	skip_unless pagemap_scan
	hosts_begin
	start_on a freeze/moment all full 32 1
	moved a b --mode=precopy
	[[ $SAID = *" rounds, "* ]]
	go_on b
	moved b a --mode=precopy --max-rounds=3 --compress=lz4
	check_on a
	nothing_left_on a b
}

@test "migrate: a pid namespace of its own" {
	hosts_begin
	rm -f "$TEST_DIR/pid"
	launch_on a unshare --pid --fork "$BUILD/test/ns/pid"
	wait_ready_on a
	PID=$(on a ps -o pid= --ppid "$PID" | tr -d ' ')
	SAID=$(move a b 2>&1) || fail "it did not move: $SAID"
	is_not_on a || fail "it is on a as well"
	touch "$TEST_DIR/go.$ROUND"
	until_true test -s "$TEST_DIR/result" || fail "the program does not answer"
	[ "$(cat "$TEST_DIR/result")" = ok ] || fail "$(cat "$TEST_DIR/result")"
	nothing_left_on b
}
