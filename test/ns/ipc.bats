load ../lib

@test "ipc: sysctls, and segments attached or not" {
	start ns/ipc
	dump_and_restore
	check
}

@test "ipc: segments that go with the last who has them attached" {
	start ns/ipc orphans
	dump_and_restore
	check
}

@test "ipc: a dump that leaves the tree running" {
	start ns/ipc
	dump --leave-running
	check
}

@test "ipc: semaphores and queues of System V and POSIX" {
	start ns/ipc_queues
	dump_and_restore
	check
}

@test "ipc: semaphores and queues twice, in a pid namespace" {
	launch unshare --pid --fork setsid "$BUILD/test/ns/ipc_queues"
	wait_ready
	PID=$(tr -d ' ' <"/proc/$PID/task/$PID/children")
	dump
	until_true is_gone
	restore --pidfile pid
	PID=$(cat "$IMAGES/pid")
	next_images 2
	dump
	until_true is_gone
	restore --pidfile pid
	PID=$(cat "$IMAGES/pid")
	check
}

@test "ipc: semaphores and queues of a tree that runs on" {
	start ns/ipc_queues
	dump --leave-running
	check
}

# Those of the host with the keys of the program.
objects()
{
	ipcs -q -s | grep -e 0x00001267 -e 0x0000004d -e 0x0000004e || true
}

@test "ipc: a restore that fails leaves nothing of what was in it, and nothing of ours is touched" {
	local step queue

	start ns/ipc_queues
	dump
	until_true is_gone
	# One of ours that has the number of one of the program's, if it is free.
	echo 0 >/proc/sys/kernel/msg_next_id
	queue=$(ipcmk -Q | grep -o '[0-9]*$')
	for step in namespaces make state late finish; do
		run timeout 60 "$STASIS" restore -d -D "$IMAGES" --inject-fault "$step"
		[ "$status" = 1 ] || fail "$output"
		[ -z "$(objects)" ] || fail "left after '$step': $(objects)"
		ipcs -q -i "$queue" >/dev/null || fail "queue $queue is gone after '$step'"
		nothing_left
	done
	run timeout 60 "$STASIS" restore --dry-run -D "$IMAGES"
	[ "$status" = 0 ] || fail "$output"
	restore
	check
	ipcrm -q "$queue"
}

@test "ipc: who waits to be told, and what a look would remove, are refused" {
	start ns/ipc notify
	refuse "cannot dump $PID: the ipc namespace of pid $PID: the POSIX message queue '/a-queue': pid $PID waits to be told of the next message (mq_notify), which is not supported; let it cancel that before the dump"
	rm -f "$TEST_DIR"/{ready,go,result}*
	start ns/ipc_queues big
	refuse "cannot dump $PID: task/sysvipc: System V message queue with id 0: look at message 0: Invalid argument; it may be larger than kernel.msgmax allows by now: raise that before the dump"
	rm -f "$TEST_DIR"/{ready,go,result}*
	start ns/ipc forced
	refuse "cannot dump $PID: the ipc namespace of pid $PID: SysV segment 0 is attached nowhere, and kernel.shm_rmid_forced would remove it once it was read; set that sysctl to 0 inside before the dump"
}

# The namespaces that somebody lives in or holds.
namespaces()
{
	readlink /proc/[0-9]*/ns/* /proc/[0-9]*/fd/* 2>/dev/null | grep -F "$1" || true
}

no_more_than()
{
	[ -z "$(comm -13 <(echo "$1") <(namespaces ipc: | sort -u))" ]
}

@test "ipc: a restore that fails leaves nothing behind" {
	local was step

	start ns/ipc
	dump
	until_true is_gone
	was=$(namespaces ipc: | sort -u)
	for step in namespaces make memory finish; do
		run timeout 60 "$STASIS" restore -d -D "$IMAGES" --inject-fault "$step"
		[ "$status" = 1 ] || fail "$output"
		until_true no_more_than "$was" || fail "left after '$step': $(namespaces ipc: | sort -u)"
		nothing_left
	done
	restore
	check
}
