load ../lib

# A lock is not a process: what the test looks for is in the kernel's list.
locks_of()
{
	grep -c " $1 " /proc/locks
}

@test "lock: POSIX, flock and open file description locks, leases" {
	start fd/lock
	before=$(locks_of "$PID")
	dump --file-locks
	[ "$(locks_of "$PID")" = 0 ]
	restore --file-locks
	[ "$(locks_of "$PID")" = "$before" ]
	check
}

@test "lock: a dump that leaves the program running changes no lock" {
	start fd/lock
	dump --file-locks --leave-running
	check
}

@test "lock: without --file-locks a lock is refused" {
	start fd/lock
	refuse "cannot dump $PID: fd 3 (regfile) of pid $PID: it holds a POSIX lock of '$TEST_DIR/posix'; locks are carried with --file-locks"
}

@test "lock: one that somebody else has taken meanwhile is refused" {
	start fd/lock
	dump --file-locks
	run flock "$TEST_DIR/exclusive" "$STASIS" restore -d -D "$IMAGES" --file-locks
	[ "$status" = 1 ]
	[ "$output" = "cannot restore '$IMAGES': descriptors of pid $PID: lock '$TEST_DIR/exclusive' for fd 5 of pid $PID: Resource temporarily unavailable" ]
	nothing_left
	run "$STASIS" restore -d -D "$IMAGES"
	[ "$status" = 1 ]
	[ "$output" = "cannot restore '$IMAGES': fd 3 of pid $PID had a lock when it was dumped; locks are taken again with --file-locks" ]
	restore --file-locks
	check
}
