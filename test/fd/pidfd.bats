load ../lib

@test "pidfd: of the living, of zombies, of threads, and of those that are gone" {
	start fd/pidfd
	dump_and_restore
	check
}

@test "pidfd: a dump that leaves the program running" {
	start fd/pidfd
	dump --leave-running
	check
}

@test "pidfd: of a process outside of the tree is refused by its name" {
	start fd/pidfd outside
	parent=$(awk '/^PPid:/ { print $2 }' "/proc/$PID/status")
	refuse "cannot dump $PID: fd 3 (pidfd) of pid $PID: it is of pid $parent ($(cat "/proc/$parent/comm")), which is outside of the tree; let the program close it before the dump, or dump a tree with both"
}

@test "pidfd: one that waits in a message, and is of the tree itself, is refused" {
	start fd/pidfd sent
	refuse "cannot dump $PID: fd 5 (unixsk) of pid $PID: a descriptor (pidfd) waits in a message for it, which is of pid $PID of the tree itself; that is not supported; let the program receive it before the dump"
}
