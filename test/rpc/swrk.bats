load ../lib
load rpc

@test "swrk: version and features, one request or several on a connection" {
	ask swrk '{"type":"VERSION","opts":{"images_dir_fd":-1}}'
	says 'VERSION ok version.major_number=4 version.minor_number=2 version.name=stasis *' 'exit 0'
	ask swrk '{"type":"VERSION","keep_open":1}' '{"type":"FEATURE_CHECK","features":{"pidfd_store":1},"keep_open":1}' '{"type":"VERSION"}'
	says 'VERSION ok *' 'FEATURE_CHECK ok features.mem_track=False features.lazy_pages=False features.pidfd_store=True' \
		'VERSION ok *' 'exit 0'
	ask swrk '{"type":"FEATURE_CHECK","features":{"mem_track":1}}'
	if "$STASIS" check --feature mem_dirty_track >/dev/null 2>&1; then
		says 'FEATURE_CHECK ok features.mem_track=True *' 'exit 0'
	else
		says 'FEATURE_CHECK ok features.mem_track=False *' 'exit 0'
	fi
}

@test "swrk: what is no request has an answer, and ends it" {
	ask swrk raw:ffffff
	says 'EMPTY failed cr_errmsg=Error (*): what came is no request' 'exit 1'
	ask swrk big:150000
	says 'EMPTY failed cr_errmsg=Error (*): what came is no request' 'exit 1'
	ask swrk raw:1001
	says 'EMPTY failed cr_errmsg=Error (*): what came is no request' 'exit 1'
	ask swrk '{"type":77}'
	says 'EMPTY failed cr_errmsg=Error (*): there is no request of type 77' 'exit 1'
	ask swrk '{"type":"NOTIFY","notify_success":1}'
	says 'EMPTY failed cr_errmsg=Error (*): there is no request of type 6' 'exit 1'
	ask swrk '{"type":"WAIT_PID","pid":1}'
	says 'WAIT_PID failed cr_errmsg=Error (*): wait for pid 1: No child processes' 'exit 1'
	ask swrk
	says 'exit 1'
	# As CRIU has it: no answer at all.
	ask swrk '{"type":"DUMP","keep_open":1}'
	says 'exit 1'
}

@test "swrk: without a socket it says so" {
	run "$STASIS" swrk 77
	[ "$status" = 1 ]
	[ "$output" = "'77' is not the number of a connected SOCK_SEQPACKET socket" ] || fail "$output"
}

@test "swrk: what runc sends, and what it is told" {
	start task/comm
	ask swrk "$(runc_dump)"
	says 'notify pre-dump' 'notify query-ext-files' 'notify post-dump' 'DUMP ok dump.restored=False' 'exit 0'
	until_true is_gone
	[ -s "$TEST_DIR/stats-dump" ]
	grep -q 'Dumping finished successfully' "$TEST_DIR/dump.log"
	[ "$(stat -c %a "$TEST_DIR/dump.log")" = 600 ]
	ask --stray swrk "$(runc_restore)"
	says 'notify pre-restore' "notify post-restore pid $PID" 'notify pre-resume' 'notify post-resume' "RESTORE ok restore.pid=$PID" \
		'exit 0'
	[ -s "$TEST_DIR/stats-restore" ]
	check
}

@test "swrk: what crun sends, without notifications of the dump" {
	start task/comm
	ask swrk "$(crun_dump)"
	says 'DUMP ok dump.restored=False' 'exit 0'
	until_true is_gone
	ask swrk "$(crun_restore)"
	says 'notify pre-restore' "notify post-restore pid $PID" 'notify pre-resume' 'notify post-resume' "RESTORE ok restore.pid=$PID" \
		'exit 0'
	check
}

@test "swrk: with rst_sibling the tasks are the client's children, and have none of its descriptors" {
	cat >"$TEST_DIR/look" <<-'END'
		#!/bin/sh
		[ "$1" = post-restore ] || exit 0
		awk '/^PPid/ { print $2 }' /proc/$2/status >"$TEST_DIR/parent"
		echo "$PPID" >"$TEST_DIR/client"
	END
	chmod +x "$TEST_DIR/look"
	start task/comm
	ask swrk "$(runc_dump)"
	until_true is_gone
	ask --run "$TEST_DIR/look" --stray swrk "$(runc_restore)"
	says 'notify pre-restore' "notify post-restore pid $PID" 'notify pre-resume' 'notify post-resume' "RESTORE ok *" 'exit 0'
	[ "$(cat "$TEST_DIR/parent")" = "$(cat "$TEST_DIR/client")" ] || fail "$(cat "$TEST_DIR/parent" "$TEST_DIR/client")"
	[ "$(echo /proc/"$PID"/fd/*)" = "/proc/$PID/fd/0 /proc/$PID/fd/1 /proc/$PID/fd/2" ] || fail "$(ls -l /proc/"$PID"/fd)"
	check
}

@test "swrk: a notification that is refused, and a dump goes back" {
	local name

	start task/comm
	for name in pre-dump query-ext-files post-dump; do
		ask --refuse "$name" swrk "$(runc_dump)"
		tells "DUMP failed dump.restored=False cr_errmsg=Error (*): cannot dump $PID: notification '$name': the client has refused it"
		[ "${SAID##*$'\n'}" = 'exit 1' ]
		[ ! -e "$IMAGES/inventory.img" ]
	done
	check
}

@test "swrk: a client that leaves, and one that kills its worker, at each notification" {
	local name how

	start task/comm
	for name in pre-dump query-ext-files post-dump; do
		for how in --leave --kill; do
			ask "$how" "$name" swrk "$(runc_dump)"
			[[ $SAID != *"DUMP ok"* ]] || fail "$SAID"
			until_true not_stopped || fail "stopped at $name"
			[ ! -e "$IMAGES/inventory.img" ] || fail "images are complete after $how $name"
		done
	done
	check
}

# No tracer, and no worker of ours, is left.
not_stopped()
{
	local p

	grep -q '^TracerPid:[[:space:]]*0$' "/proc/$PID/status" || return 1
	for p in $(started); do
		[ "$(readlink "/proc/$p/exe")" != "$STASIS" ] || return 1
	done
}

@test "swrk: a restore whose notification is refused leaves nothing, unless the tasks run already" {
	local name

	start task/comm
	ask swrk "$(runc_dump)"
	until_true is_gone
	for name in pre-restore post-restore; do
		ask --refuse "$name" swrk "$(runc_restore)"
		tells "RESTORE failed *notification '$name': the client has refused it"
		ask --kill "$name" swrk "$(runc_restore)"
		ask --leave "$name" swrk "$(runc_restore)"
		until_true is_gone
	done
	ask --refuse pre-resume swrk "$(runc_restore)"
	tells "RESTORE ok restore.pid=$PID"
	check
}

@test "swrk: what goes wrong has the numbers that clients know" {
	start task/comm
	ask swrk "$(request DUMP '"pid":2147483647')"
	says 'DUMP failed dump.restored=False cr_errno=3 cr_errmsg=Error (*): *' 'exit 1'
	# runc names the log, and does not pass on what the answer says.
	grep -q 'Error (.*there is no process 2147483647' "$IMAGES/dump.log"
	ask swrk '{"type":"DUMP","opts":{"images_dir_fd":-1,"pid":'"$PID"'}}'
	says "DUMP failed dump.restored=False cr_errno=56 cr_errmsg=Error (*): there is no directory of images: neither 'images_dir_fd' nor 'images_dir'" 'exit 1'
	ask swrk '{"type":"DUMP","opts":{"images_dir_fd":999,"pid":'"$PID"'}}'
	says "DUMP failed dump.restored=False cr_errno=56 cr_errmsg=Error (*): field 'images_dir_fd': open descriptor 999 of the client, pid *" 'exit 1'
	ask swrk '{"type":"DUMP","opts":{"images_dir_fd":"'"$IMAGES"'","log_file":"a/b","pid":'"$PID"'}}'
	says "DUMP failed dump.restored=False cr_errno=56 cr_errmsg=Error (*): the log file 'a/b' is not in the work directory" 'exit 1'
	ask swrk "$(request RESTORE)"
	says 'RESTORE failed restore.pid=-1 cr_errmsg=Error (*): *' 'exit 1'
	ask swrk "$(runc_dump '"leave_running":1')"
	ask swrk "$(runc_restore)"
	says 'notify pre-restore' "RESTORE failed restore.pid=$PID cr_errno=17 cr_errmsg=Error (*): cannot restore *: pid $PID, which the tree needs, is in use by *" 'exit 1'
	grep -q 'Error (.*Restoring FAILED' "$TEST_DIR/restore.log"
	check
}

@test "swrk: a process cannot ask for the tree that it lives in" {
	local own=$BASHPID

	ask swrk "$(request DUMP '"pid":'"$own")"
	says "DUMP failed * cr_errno=56 cr_errmsg=Error (*): pid * is in the tree of pid *, and asks; ask from a process that is not saved itself" 'exit 1'
	ask swrk "$(request DUMP)"
	says "DUMP failed * cr_errno=56 cr_errmsg=Error (*): a process cannot have itself saved yet; name another one in the field 'pid'" 'exit 1'
}

@test "swrk: pre-dumps on one connection, and the dump that stands on them" {
	skip_unless mem_dirty_track
	local first

	start task/comm
	mkdir "$TEST_DIR/first" "$TEST_DIR/second"
	first='{"type":"PRE_DUMP","opts":{"images_dir_fd":"'"$TEST_DIR/first"'","pid":'"$PID"',"track_mem":1,"notify_scripts":1}}'
	ask swrk "$first" '{"type":"PRE_DUMP","opts":{"images_dir_fd":"'"$TEST_DIR/second"'","pid":'"$PID"',"track_mem":1,"parent_img":"../first"}}' \
		"$(runc_dump '"track_mem":1,"parent_img":"../second"')"
	says 'PRE_DUMP ok' 'PRE_DUMP ok' 'notify pre-dump' 'notify query-ext-files' 'notify post-dump' 'DUMP ok *' 'exit 0'
	[ "$(readlink "$IMAGES/parent")" = ../second ]
	until_true is_gone
	ask swrk "$(runc_restore)"
	check
}

@test "swrk: a client that leaves after a pre-dump, and a single one" {
	skip_unless mem_dirty_track
	start task/comm
	ask swrk "$(request PRE_DUMP '"pid":'"$PID")"
	says 'PRE_DUMP ok' 'exit 0'
	ask swrk "$(request SINGLE_PRE_DUMP '"pid":'"$PID")"
	says 'SINGLE_PRE_DUMP ok' 'exit 0'
	[ -s "$IMAGES/dump.log" ] && [ -s "$IMAGES/stats-dump" ]
	"$STASIS" untrack -t "$PID"
	check
}

@test "swrk: a configuration file counts more than the request" {
	start task/comm
	printf 'leave-running\nlog-file other.log\n' >"$TEST_DIR/conf"
	ask swrk "$(request DUMP '"pid":'"$PID"',"leave_running":0,"config_file":"'"$TEST_DIR/conf"'"')"
	says 'DUMP ok *' 'exit 0'
	[ -e "$IMAGES/other.log" ]
	echo frobnicate >"$TEST_DIR/conf"
	ask swrk "$(request DUMP '"pid":'"$PID"',"config_file":"'"$TEST_DIR/conf"'"')"
	says "DUMP failed * cr_errno=56 cr_errmsg=Error (*): '$TEST_DIR/conf' has an option that there is not" 'exit 1'
	check
}

@test "swrk: the worker becomes the program that is asked for" {
	start task/comm
	ask swrk "$(runc_dump)"
	until_true is_gone
	ask swrk "$(request RESTORE '"exec_cmd":["sh","-c","echo it runs; exit 7"]')"
	says "RESTORE ok restore.pid=$PID" 'exit 7'
	grep -q '^it runs$' "$IMAGES/restore.log"
	check
}

@test "swrk: descriptors that the client leaves to the tasks" {
	local in

	VICTIM_READY=$TEST_DIR/ready VICTIM_GO=$TEST_DIR/go VICTIM_RESULT=$TEST_DIR/result setsid "$BUILD/test/fd/stdio" \
		<"$(file_of one)" >"$TEST_DIR/output" 2>>"$TEST_DIR/err" 3>&- &
	PID=$!
	wait_ready
	in="${TEST_DIR#/}/one"
	ask swrk "$(runc_dump)"
	until_true is_gone
	exec 5<"$(file_of two)"
	ask --pass-fd 5 swrk "$(runc_restore '"inherit_fd":[{"key":"'"$in"'","fd":5}]')"
	exec 5<&-
	tells "RESTORE ok restore.pid=$PID"
	[ "$(readlink "/proc/$PID/fd/0")" = "$TEST_DIR/two" ] || fail "$(readlink "/proc/$PID/fd/0")"
	check
}

file_of()
{
	echo "$1" >"$TEST_DIR/$1"
	echo "$TEST_DIR/$1"
}

# A terminal of a devpts of its own, as a container has it; the process with the master is not saved.
container_terminal()
{
	PTS=$TEST_DIR/pts
	mkdir "$PTS"
	mount -t devpts -o newinstance,ptmxmode=0666 none "$PTS"
	start fd/tty_orphan "$PTS"
	PID=$(cat /proc/"$PID"/task/"$PID"/children)
	PID=${PID% }
}

umount_terminal()
{
	kill_all
	until_true umount "$PTS" 2>/dev/null || umount -l "$PTS"
}

@test "swrk: the client has the master of a container's terminal, and gets the new one" {
	container_terminal
	ask swrk "$(runc_dump)"
	until_true is_gone
	timeout 60 python3 test/rpc/client.py --talk swrk "$(runc_restore '"orphan_pts_master":1')" >"$TEST_DIR/client.out" 2>"$TEST_DIR/client.err" \
		3>&- &
	until_true runs "$PID" || fail "$(cat "$TEST_DIR"/client.* "$TEST_DIR/restore.log")"
	check
	wait $!
	SAID=$(cat "$TEST_DIR/client.out")
	says 'notify pre-restore' 'descriptor True */ptmx' 'notify orphan-pts-master' "notify post-restore pid $PID" 'notify pre-resume' \
		'notify post-resume' "RESTORE ok restore.pid=$PID" "it says b'hello*'" 'exit 0'
	umount_terminal
}

@test "swrk: a client that does not take the master of a terminal is told so" {
	container_terminal
	ask swrk "$(runc_dump)"
	until_true is_gone
	ask swrk "$(runc_restore '"orphan_pts_master":0')"
	tells 'its terminal was the one that the job had been started from'
	ask --refuse orphan-pts-master swrk "$(runc_restore '"orphan_pts_master":1')"
	tells "notification 'orphan-pts-master': the client has refused it"
	if runs "$PID"; then fail "it runs all the same"; fi
	umount_terminal
}

@test "swrk: processor, and check" {
	ask swrk "$(request CPUINFO_DUMP | sed 's/}}$/},"keep_open":1}/')" "$(request CPUINFO_CHECK)"
	says 'CPUINFO_DUMP ok' 'CPUINFO_CHECK ok' 'exit 0'
	ask swrk '{"type":"CHECK"}'
	[[ $SAID == *$'\nexit '[01] ]] || fail "$SAID"
}
