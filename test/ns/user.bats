load ../lib

begin()
{
	launch "$BUILD/test/ns/user" "$@"
	wait_ready
	PID=$(tr -d ' ' <"/proc/$PID/task/$PID/children")
}

save_and_restore()
{
	dump
	until_true is_gone || fail "pid $PID still runs after the dump"
	restore --pidfile pid
	PID=$(cat "$IMAGES/pid")
	runs "$PID" || fail "pid $PID does not run after the restore: $(cat "$TEST_DIR/result" 2>&1)"
}

@test "user: users, groups, capabilities, and namespaces that belong to it" {
	begin
	save_and_restore
	[ "$(awk '/^Uid:/ { print $2 }' "/proc/$PID/status")" = 100000 ] || fail "$(cat "/proc/$PID/status")"
	check
}

@test "user: twice" {
	begin
	save_and_restore
	next_images 2
	save_and_restore
	check
}

@test "user: a user's own, with groups that nobody can set" {
	local was

	begin rootless
	was=$(grep Groups: "/proc/$PID/status")
	save_and_restore
	[ "$(grep Groups: "/proc/$PID/status")" = "$was" ] || fail "$(cat "/proc/$PID/status")"
	check
}

@test "user: a dump that leaves the tree running" {
	begin
	dump --leave-running
	check
}

@test "user: restored in the foreground" {
	begin
	dump
	until_true is_gone
	"$STASIS" restore -D "$IMAGES" --pidfile pid >"$TEST_DIR/said" 2>&1 3>&- &
	until_true test -s "$IMAGES/pid" || fail "$(cat "$TEST_DIR/said")"
	PID=$(cat "$IMAGES/pid")
	check
	wait $!
}

@test "user: what is not supported is refused" {
	begin mount
	refuse "cannot dump $PID: the user namespace of pid $PID: the tree has a mnt namespace of its own as well, which is not supported yet"
	rm -f "$TEST_DIR"/{ready,go,result}*
	launch unshare --user --map-root-user "$BUILD/test/task/posix_timers"
	wait_ready
	refuse "cannot dump $PID: the user namespace of pid $PID: the tree has several processes or threads, and no pid namespace of its own, so they could not get their numbers again from inside; start it in a pid namespace as well"
	rm -f "$TEST_DIR"/{ready,go,result}*
	launch unshare --user --map-user 5 --pid --fork setsid "$BUILD/test/task/comm"
	wait_ready
	PID=$(tr -d ' ' <"/proc/$PID/task/$PID/children")
	refuse "cannot dump $PID: the user namespace of pid $PID: it maps no user or no group 0, which is not supported"
	rm -f "$TEST_DIR"/{ready,go,result}*
	begin unmapped
	refuse "cannot dump $PID: the user namespace of pid $PID: thread $PID has the user 1, of whom it knows nothing"
	rm -f "$TEST_DIR"/{ready,go,result}*
	begin
	dump
	until_true is_gone
	run "$STASIS" restore -d -S -D "$IMAGES"
	[ "$output" = "cannot restore '$IMAGES': ns/user: a tree with a user namespace of its own cannot become a sibling yet; restore it without --restore-sibling" ] || fail "$output"
}

@test "user: a restore that fails leaves nothing behind" {
	local step

	begin
	dump
	until_true is_gone
	for step in namespaces make tree threads last finish; do
		run timeout 60 "$STASIS" restore -d -D "$IMAGES" --inject-fault "$step"
		[ "$status" = 1 ] || fail "$output"
		nothing_left
	done
	restore --pidfile pid
	PID=$(cat "$IMAGES/pid")
	check
}

nobody_lends()
{
	[ -z "$(pgrep -x stasis-lender -u 100000 --runstates S,R,D)" ]
}

@test "user: a restore that is killed leaves nothing behind" {
	begin
	dump
	until_true is_gone
	# shellcheck disable=SC2016 # expanded by that shell
	printf '#!/bin/sh\n[ "$CRTOOLS_SCRIPT_ACTION" != post-restore ] || kill -KILL $PPID\n' >"$TEST_DIR/kill.sh"
	chmod +x "$TEST_DIR/kill.sh"
	run timeout 60 "$STASIS" restore -d -D "$IMAGES" --action-script "$TEST_DIR/kill.sh"
	[ "$status" = 137 ] || fail "$status: $output"
	until_true nothing_left >/dev/null || nothing_left
	until_true nobody_lends || fail "somebody still lends descriptors"
	restore --pidfile pid
	PID=$(cat "$IMAGES/pid")
	check
}

@test "user: memory that is saved while it runs, and comes later" {
	skip_unless pagemap_scan
	launch unshare --user --map-root-user --pid --fork setsid "$BUILD/test/mm/lazy" 16
	wait_ready
	PID=$(tr -d ' ' <"/proc/$PID/task/$PID/children")
	dump --freeze=precopy
	until_true is_gone
	restore --lazy --pidfile pid
	PID=$(cat "$IMAGES/pid")
	check
}

@test "user: a tree with something of everything" {
	launch unshare --user --map-root-user --pid --ipc --uts --cgroup --time --fork setsid "$BUILD/test/safety/rich"
	wait_ready
	PID=$(tr -d ' ' <"/proc/$PID/task/$PID/children")
	dump --file-locks
	until_true is_gone
	restore --file-locks --pidfile pid
	PID=$(cat "$IMAGES/pid")
	check
}
