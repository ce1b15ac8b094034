# Memory of a tree in a pid namespace of its own: saved while it runs, tracked, brought later, moved to another machine.
load ../lazy
load ../safety/safety

# begin PROGRAM [ARGUMENTS]: it is the first process of a new pid namespace, PID its number here.
begin()
{
	local program=$1

	shift
	unshare --pid --fork true 2>/dev/null || skip "no pid namespace can be made"
	[ -z "${PLAIN:-}" ] || skip "nothing is saved"
	launch unshare --pid --fork setsid "$BUILD/test/$program" "$@"
	wait_ready
	take_pid "/proc/$PID/task/$PID/children"
}

take_pid()
{
	PID=$(tr -d ' ' <"$1")
}

again()
{
	until_true is_gone || fail "pid $PID still runs after the dump"
	restore --pidfile pid "$@"
	take_pid "$IMAGES/pid"
}

before()
{
	printf '%s\n' --prev-images-dir "../images.$((ROUND - 1))"
}

end_tree()
{
	# The others end with the first process.
	kill -KILL "$PID"
	until_true is_gone
}

written()
{
	sed -n 's/.*"pages_written": "\?\([0-9]*\)"\?,\?/\1/p' < <("$STASIS" show "$IMAGES"/stats-dump)
}

@test "pid: a chain of pre-dumps and a dump" {
	skip_unless mem_dirty_track
	begin freeze/increment 2
	quietly "$STASIS" pre-dump -t "$PID" -D "$IMAGES"
	[ -e "$IMAGES/pagemap-1.img" ] || fail "$(ls "$IMAGES")"
	go
	# shellcheck disable=SC2046 # two words
	quietly "$STASIS" pre-dump -t "$PID" -D "$IMAGES" $(before)
	go
	# shellcheck disable=SC2046
	dump --track-mem $(before)
	[ "$(written)" -lt 2000 ] || fail "$(written) pages were saved"
	again
	check
}

@test "pid: tracked from the restore on" {
	skip_unless mem_dirty_track
	begin freeze/increment 1
	dump
	again --track-mem
	ROUND=2
	next_images 2
	dump --track-mem --prev-images-dir ../images.1 --leave-running
	[ "$(written)" -lt 100 ] || fail "$(written) pages were saved"
	ROUND=1
	touch "$TEST_DIR/go.1"
	ROUND=2
	wait_ready
	next_images 3
	dump --track-mem --prev-images-dir ../images.2
	again
	check
}

@test "pid: pre-copy, and a program that runs on while it is saved" {
	skip_unless pagemap_scan
	begin mm/anon
	dump --freeze=cow --leave-running
	runs "$PID"
	end_tree
	again
	next_images 2
	dump --freeze=precopy
	again
	check
}

@test "pid: protected" {
	skip_unless uffd_wp_async
	skip_unless pagemap_scan
	begin mm/anon
	SAVED=$TEST_DIR/images.saved
	mkdir "$SAVED"
	"$STASIS" protect "$PID" -D "$SAVED" --every 50ms >"$TEST_DIR/said" 2>&1 3>&- &
	until_true grep -qs '^increment-000003: frozen' "$TEST_DIR/said" || fail "$(cat "$TEST_DIR/said")"
	end_tree
	wait $! || fail "$(cat "$TEST_DIR/said")"
	grep -qx "pid $PID has ended; 'stasis restore -D $SAVED' starts it as it last was" "$TEST_DIR/said" || fail "$(cat "$TEST_DIR/said")"
	quietly "$STASIS" restore -d -D "$SAVED" --pidfile "$TEST_DIR/pid"
	take_pid "$TEST_DIR/pid"
	quietly timeout 20 "$STASIS" dump -t "$PID" -D "$IMAGES"
	again
	check
}

@test "pid: pages that come later" {
	begin mm/lazy 16
	dump
	again --lazy
	check
}

is_stopped()
{
	grep -q '^State:.T' /proc/"$PID"/status
}

flip()
{
	local byte

	byte=$(od -An -tu1 -j "$2" -N1 "$1")
	# shellcheck disable=SC2059 # a format is what is made here
	printf "\\x$(printf %x $((byte ^ 16)))" | dd of="$1" bs=1 seek="$2" conv=notrunc status=none
}

@test "pid: a page that cannot be had yet stops the first process" {
	begin mm/lazy 64 idle
	dump --freeze=stop
	until_true is_gone
	flip "$IMAGES"/pages-1.img 20000000
	again --lazy
	touch "$TEST_DIR/go.1"
	until_true is_stopped || fail "it was not stopped"
	flip "$IMAGES"/pages-1.img 20000000
	check
	until_true all_there || fail "pages are still outstanding: $(servers)"
}

@test "pid: when all who bring pages are killed the first process is ended, and has not seen a zero" {
	local all

	for _ in 1 2; do
		rm -rf "$IMAGES"
		next_images 1
		begin mm/lazy 96
		dump
		again --lazy
		touch "$TEST_DIR/go.1"
		sleep "0.0$((RANDOM % 10))"
		all=$(servers)
		# shellcheck disable=SC2086
		[ -z "$all" ] || kill -KILL $all
		until_true is_gone || fail "the program still runs"
		# A child may be ended before it, and it may have seen that.
		[ ! -s "$TEST_DIR/result" ] || grep -qx -e ok -e '.*wait status of child.*' "$TEST_DIR/result" ||
			fail "$(cat "$TEST_DIR/result")"
		rm -f "$TEST_DIR"/{result,go.1,ready.1}
	done
}
