load ../lib

# begin [ARGUMENTS]: the program is the first process of a new pid namespace, PID its number here.
begin()
{
	unshare --pid --fork true 2>/dev/null || skip "no pid namespace can be made"
	launch unshare --pid --fork "$BUILD/test/ns/pid" "$@"
	wait_ready
	PID=$(tr -d ' ' <"/proc/$PID/task/$PID/children")
}

dump_and_restore_inside()
{
	dump "$@"
	until_true is_gone || fail "pid $PID still runs after the dump"
	restore --pidfile pid
	PID=$(cat "$IMAGES/pid")
	runs "$PID" || fail "pid $PID does not run after the restore: $(cat "$TEST_DIR/result" 2>&1)"
}

@test "pid: a tree below the first process of a pid namespace" {
	begin
	dump_and_restore_inside
	[ -e "$IMAGES/core-1.img" ] || fail "$(ls "$IMAGES")"
	check
}

@test "pid: twice" {
	begin
	dump_and_restore_inside
	next_images 2
	dump_and_restore_inside
	check
}

@test "pid: a dump that leaves the tree running" {
	begin
	dump --leave-running
	check
}

@test "pid: compressed, with equal pages, as a stream" {
	begin
	dump_and_restore_inside --compress --dedup-pages
	"$STASIS" dump -t "$PID" --stream >"$TEST_DIR/stream"
	until_true is_gone
	"$STASIS" restore --stream -d -D "$IMAGES" --pidfile "$TEST_DIR/pid" <"$TEST_DIR/stream"
	PID=$(cat "$TEST_DIR/pid")
	check
}

@test "pid: what is not supported is refused" {
	begin
	child=$(awk '{ print $1 }' "/proc/$PID/task/$PID/children")
	said=$("$STASIS" dump -t "$child" -D "$IMAGES" 2>&1) && fail "dumped"
	[[ $said = *"the pid namespace of pid $child: it is not the first process there, but number "*"; dump the tree of that one, or use --external pid["*"]:NAME" ]] || fail "$said"
	nsenter -t "$PID" --pid sleep 600 &
	until_true pgrep -P $! >/dev/null
	stranger=$(pgrep -P $!)
	refuse "cannot dump $PID: the pid namespace of pid $PID: pid $stranger ('sleep') lives there, too, and is not a descendant of it; end pid $stranger, or dump with --leave-running"
}

@test "pid: files of /proc are refused" {
	begin proc
	refuse "cannot dump $PID: fd 3 (regfile) of pid $PID: '/proc/1/stat' is of a process whose number here will be another one; let the program close it before the dump"
}

# What a script does to whoever has called it.
killing_script()
{
	# shellcheck disable=SC2016 # expanded by that shell
	printf '#!/bin/sh\n[ "$CRTOOLS_SCRIPT_ACTION" != %s ] || kill -KILL $PPID\n' "$1" >"$TEST_DIR/kill.sh"
	chmod +x "$TEST_DIR/kill.sh"
}

@test "pid: a dump that is killed leaves the tree running" {
	begin
	killing_script post-dump
	run timeout 60 "$STASIS" dump -t "$PID" -D "$IMAGES" --action-script "$TEST_DIR/kill.sh"
	[ "$status" != 0 ] || fail "it was not killed"
	check
}

@test "pid: a restore that fails, or is killed, leaves nothing behind" {
	local step

	begin
	dump
	until_true is_gone
	for step in tree memory deaths commit; do
		run timeout 60 "$STASIS" restore -d -D "$IMAGES" --inject-fault "$step"
		[ "$status" = 1 ] || fail "$output"
		nothing_left
	done
	killing_script post-restore
	run timeout 60 "$STASIS" restore -d -D "$IMAGES" --action-script "$TEST_DIR/kill.sh"
	[ "$status" = 137 ] || fail "$status: $output"
	until_true nothing_left >/dev/null || nothing_left
	restore --pidfile pid
	PID=$(cat "$IMAGES/pid")
	check
}
