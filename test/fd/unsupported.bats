load ../lib

sentence()
{
	echo "cannot dump $PID: fd 3 ($1) of pid $PID is not supported yet; let the program close it before the dump"
}

@test "unsupported: a device" {
	start fd/unsupported device
	said=$("$STASIS" dump -t "$PID" -D "$IMAGES" 2>&1) || true
	[[ "$said" = "cannot dump $PID: fd 3 ("*"'$(readlink "/proc/$PID/fd/3")') of pid $PID is not supported yet; let the program close it before the dump, or use --external 'dev[10/229]:NAME' if it has nothing to lose when it is opened anew" ]] || fail "$said"
	check
}

@test "unsupported: secret memory" {
	start fd/unsupported secret
	refuse "cannot dump $PID: fd 3 (regfile) of pid $PID: it is secret memory, which is not supported"
}

@test "unsupported: a thread with descriptors of its own" {
	start fd/unsupported thread
	tid=$(cd "/proc/$PID/task" && printf '%s\n' * | sort -n | tail -1)
	refuse "cannot dump $PID: thread $tid of pid $PID has descriptors of its own, which is not supported"
}

@test "unsupported: a performance counter" {
	start fd/unsupported perf
	refuse "cannot dump $PID: fd 3 (performance counter 'anon_inode:[perf_event]') of pid $PID is not supported yet; end the profiler, or let the program close it, before the dump: the kernel does not tell what it counts"
}

@test "unsupported: a userfaultfd" {
	start fd/unsupported uffd
	refuse "cannot dump $PID: fd 3 (userfaultfd 'anon_inode:[userfaultfd]') of pid $PID is not supported yet; let the program unregister the memory that it watches, and close it, before the dump"
}

@test "unsupported: a vsock socket" {
	start fd/unsupported vsock
	refuse "cannot dump $PID: fd 3 (socket: vsock stream) of pid $PID is not supported yet; let the program close it before the dump"
}
