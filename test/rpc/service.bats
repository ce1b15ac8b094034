load ../lib
load rpc

@test "service: dump and restore, for whoever has all rights" {
	serve
	start task/comm
	ask "$SOCKET" "$(runc_dump)"
	says 'notify pre-dump' 'notify query-ext-files' 'notify post-dump' 'DUMP ok dump.restored=False' 'end'
	until_true is_gone
	ask "$SOCKET" "$(request RESTORE '"notify_scripts":1')"
	says 'notify pre-restore' "notify post-restore pid $PID" 'notify pre-resume' 'notify post-resume' "RESTORE ok restore.pid=$PID" 'end'
	check
}

@test "service: what only a process of the client's own can have is refused" {
	serve
	ask "$SOCKET" "$(request RESTORE '"rst_sibling":1')"
	says "RESTORE failed restore.pid=-1 cr_errno=56 cr_errmsg=Error (*): field 'rst_sibling' is for 'swrk' only*" 'end'
	ask "$SOCKET" "$(request RESTORE '"inherit_fd":[{"key":"x","fd":0}]')"
	says "RESTORE failed restore.pid=-1 cr_errno=56 cr_errmsg=Error (*): field 'inherit_fd' is for 'swrk' only*" 'end'
	ask "$SOCKET" '{"type":"DUMP","opts":{"images_dir_fd":-1,"images_dir":"x","pid":1}}'
	says "DUMP failed * cr_errno=56 cr_errmsg=Error (*): field 'images_dir': 'x' is not an absolute path" 'end'
}

@test "service: a user has own processes saved, into own directories" {
	serve
	chmod 0777 "$IMAGES"
	launch setpriv --reuid 1234 --regid 1234 --clear-groups "$BUILD/test/task/comm"
	wait_ready
	ask --user 1234 "$SOCKET" "$(request DUMP '"leave_running":1,"pid":'"$PID")"
	says 'DUMP ok dump.restored=False' 'end'
	[ "$(stat -c %u "$IMAGES/inventory.img" "$IMAGES/dump.log" "$IMAGES/stats-dump" | sort -u)" = 1234 ]
	# Root restores it.
	kill -KILL "$PID"
	until_true is_gone
	restore
	check
}

@test "service: nobody gets at what is another user's" {
	serve
	start task/comm
	chmod 0777 "$IMAGES"
	ask --user 1234 "$SOCKET" "$(request DUMP '"leave_running":1,"pid":'"$PID")"
	says "DUMP failed * cr_errno=56 cr_errmsg=Error (*): user 1234, who asks, may not trace pid $PID (*" 'end'
	[ ! -e "$IMAGES/inventory.img" ]
	ask --user 1234 "$SOCKET" "$(request RESTORE)"
	says "RESTORE failed * cr_errmsg=Error (*): user 1234 may not ask for 'restore'; *" 'end'
	ask --user 1234 "$SOCKET" "$(request PRE_DUMP '"pid":'"$PID")"
	says "PRE_DUMP failed * cr_errmsg=Error (*): user 1234 may not ask for 'pre-dump'; *" 'end'
	ask --user 1234 "$SOCKET" "$(request CPUINFO_DUMP '"config_file":"/etc/passwd"')"
	says "CPUINFO_DUMP failed * cr_errmsg=Error (*): field 'config_file' is not for user 1234; *" 'end'
	check
}

@test "service: no file is made where the user may not write" {
	serve
	chmod 0755 "$IMAGES"
	ask --user 1234 "$SOCKET" "$(request CPUINFO_DUMP)"
	says "CPUINFO_DUMP failed * cr_errmsg=Error (*): create log 'dump.log': Permission denied" 'end'
	ask --user 1234 "$SOCKET" '{"type":"CPUINFO_DUMP","opts":{"images_dir_fd":"'"$IMAGES"'","log_to_stderr":1}}'
	says "CPUINFO_DUMP failed cr_errmsg=Error (*): *Permission denied" 'end'
	# A link of the user's own, where another one's file would be emptied.
	chmod 0777 "$IMAGES"
	echo precious >"$TEST_DIR/precious"
	ln -s "$TEST_DIR/precious" "$IMAGES/dump.log"
	ask --user 1234 "$SOCKET" "$(request CPUINFO_DUMP)"
	says "CPUINFO_DUMP failed * cr_errmsg=Error (*): create log 'dump.log': Permission denied" 'end'
	[ "$(cat "$TEST_DIR/precious")" = precious ]
}

is_user()
{
	[ "$(stat -c %u "/proc/$PID")" = 1234 ] && [ "$(cat "/proc/$PID/comm")" = sleep ]
}

# The root task is the user's, its child root's.
@test "service: one task in the tree that is not the user's, and the dump is refused" {
	serve
	chmod 0777 "$IMAGES"
	# shellcheck disable=SC2016
	launch sh -c 'sleep 1000 & exec setpriv --reuid 1234 --regid 1234 --clear-groups sleep 1000'
	until_true is_user
	ask --user 1234 "$SOCKET" "$(request DUMP '"leave_running":1,"pid":'"$PID")"
	tells "DUMP failed *user 1234, who asks, may not trace pid [0-9]* ('sleep')"
	[ ! -e "$IMAGES/inventory.img" ]
	runs "$PID"
}

@test "service: what is no request, and clients that leave, do it no harm" {
	local i

	serve
	ask "$SOCKET" raw:ffffff
	says 'EMPTY failed *' 'end'
	ask "$SOCKET" '{"type":77}'
	says 'EMPTY failed *' 'end'
	ask "$SOCKET"
	says 'end'
	start task/comm
	for i in pre-dump post-dump; do
		ask --leave "$i" "$SOCKET" "$(runc_dump)"
	done
	ask "$SOCKET" '{"type":"VERSION"}'
	says 'VERSION ok *' 'end'
	check
	PID=$SERVICE
	runs "$PID"
}

@test "service: the process that works is killed, and the client has an answer" {
	serve
	start task/comm
	cat >"$TEST_DIR/kill" <<-END
		#!/bin/sh
		[ "\$1" = post-dump ] || exit 0
		connection=\$(cat /proc/$SERVICE/task/$SERVICE/children)
		worker=\$(cat /proc/\${connection% }/task/\${connection% }/children)
		kill -KILL \$worker
		while [ -s /proc/\${worker% }/maps ] || [ -n "\$(cat /proc/\${worker% }/maps 2>/dev/null)" ]; do sleep 0.01; done
		sleep 0.1
	END
	chmod +x "$TEST_DIR/kill"
	ask --run "$TEST_DIR/kill" "$SOCKET" "$(runc_dump)"
	says 'notify pre-dump' 'notify query-ext-files' 'notify post-dump' \
		'DUMP failed dump.restored=False cr_errmsg=Error (*): the process that was to dump ended by signal 9; *' 'end'
	check
}

@test "service: the socket, the pid file, and what is in the way" {
	serve --pidfile service.pid -d
	[ "$(stat -c %a "$SOCKET")" = 666 ]
	SERVICE=$(cat "$TEST_DIR/service.pid")
	[ "$(awk '{ print $6 }' "/proc/$SERVICE/stat")" = "$SERVICE" ]
	ask "$SOCKET" '{"type":"VERSION","keep_open":1}' '{"type":"VERSION"}'
	says 'VERSION ok *' 'VERSION ok *' 'end'
	# An old socket is removed; anything else is not.
	echo text >"$TEST_DIR/file"
	run "$STASIS" service --address "$TEST_DIR/file"
	[ "$output" = "cannot serve: '$TEST_DIR/file' is there, and is no socket; name another path with --address" ] || fail "$output"
	kill -KILL "$SERVICE"
	rm -f "$TEST_DIR/ready.service" "$TEST_DIR/service.pid"
	serve
	ask "$SOCKET" '{"type":"VERSION"}'
	says 'VERSION ok *' 'end'
}
