load ../lib

sentence()
{
	echo "cannot dump $PID: fd 3 ($1) of pid $PID is not supported yet; let the program close it before the dump"
}

@test "unsupported: a raw socket" {
	start fd/unsupported raw
	refuse "$(sentence "socket: inet raw of protocol 253 0.0.0.0:253")"
}

@test "unsupported: inotify" {
	start fd/unsupported inotify
	refuse "$(sentence "inotify 'anon_inode:inotify'")"
}

@test "unsupported: a pidfd" {
	start fd/unsupported pidfd
	refuse "$(sentence "pidfd 'anon_inode:[pidfd]'")"
}

@test "unsupported: a namespace" {
	start fd/unsupported namespace
	refuse "$(sentence "namespace '$(readlink "/proc/$PID/fd/3")'")"
}

@test "unsupported: a device" {
	start fd/unsupported device
	said=$("$STASIS" dump -t "$PID" -D "$IMAGES" 2>&1) || true
	[[ "$said" = "cannot dump $PID: fd 3 ("*"'$(readlink "/proc/$PID/fd/3")') of pid $PID is not supported yet; let the program close it before the dump" ]]
	check
}

@test "unsupported: secret memory" {
	start fd/unsupported secret
	refuse "cannot dump $PID: fd 3 (regfile) of pid $PID: it is secret memory, which is not supported"
}

@test "unsupported: a message queue" {
	start fd/unsupported queue
	refuse "cannot dump $PID: fd 3 (regfile) of pid $PID: '/stasis-test' is a POSIX message queue, which is not supported yet"
}

@test "unsupported: a file of a process that is gone" {
	start fd/unsupported dead
	said=$(readlink "/proc/$PID/fd/3")
	refuse "cannot dump $PID: fd 3 (regfile) of pid $PID: '${said% (deleted)}' is of a process that is gone"
}

@test "unsupported: what /proc says about a descriptor of the tree" {
	start fd/unsupported fdinfo
	refuse "cannot dump $PID: fd 3 (regfile) of pid $PID: '/proc/$PID/fdinfo/0' is about a part of the tree itself, which is not supported"
}

@test "unsupported: a thread with descriptors of its own" {
	start fd/unsupported thread
	tid=$(cd "/proc/$PID/task" && printf '%s\n' * | sort -n | tail -1)
	refuse "cannot dump $PID: thread $tid of pid $PID has descriptors of its own, which is not supported"
}
