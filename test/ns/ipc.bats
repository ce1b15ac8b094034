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

@test "ipc: semaphores, queues, and what a look would remove are refused" {
	start ns/ipc sem
	refuse "cannot dump $PID: the ipc namespace of pid $PID: it has a set of System V semaphores, which is not supported yet; let the program remove it before the dump"
	rm -f "$TEST_DIR"/{ready,go,result}*
	start ns/ipc msg
	refuse "cannot dump $PID: the ipc namespace of pid $PID: it has a System V message queue, which is not supported yet; let the program remove it before the dump"
	rm -f "$TEST_DIR"/{ready,go,result}*
	start ns/ipc mqueue
	refuse "cannot dump $PID: the ipc namespace of pid $PID: it has the POSIX message queue '/a-queue', which is not supported yet; let the program remove it before the dump"
	rm -f "$TEST_DIR"/{ready,go,result}*
	start ns/ipc nameless
	refuse "cannot dump $PID: fd 9 (mqueue) of pid $PID: it is of an IPC namespace of its own, which is not supported yet; let the program close it before the dump"
	rm -f "$TEST_DIR"/{ready,go,result}*
	start ns/ipc forced
	refuse "cannot dump $PID: the ipc namespace of pid $PID: SysV segment 0 is attached nowhere, and kernel.shm_rmid_forced would remove it once it was read; set that sysctl to 0 inside before the dump"
}

# The namespaces that somebody lives in or holds.
namespaces()
{
	readlink /proc/[0-9]*/ns/* /proc/[0-9]*/fd/* 2>/dev/null | grep -F "$1" || true
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
		[ "$(namespaces ipc: | sort -u)" = "$was" ] || fail "left after '$step': $(namespaces ipc: | sort -u)"
		nothing_left
	done
	restore
	check
}
