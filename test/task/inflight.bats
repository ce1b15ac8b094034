load ../lib

# Each call: saved in it and restored; then saved in it, and left running.
inflight()
{
	start task/inflight "$1" "$TEST_DIR"
	dump "${@:2}" --leave-running
	next_images again
	dump_and_restore "${@:2}"
	check
}

@test "inflight: read from an empty pipe" { inflight read; }
@test "inflight: write to a full pipe, none lost, none doubled" { inflight write; }
@test "inflight: futex" { inflight futex; }
@test "inflight: poll" { inflight poll; }
@test "inflight: ppoll with a signal mask" { inflight ppoll; }
@test "inflight: select" { inflight select; }
@test "inflight: pselect with a signal mask" { inflight pselect; }
@test "inflight: epoll_wait" { inflight epoll_wait; }
@test "inflight: epoll_pwait with a signal mask" { inflight epoll_pwait; }
@test "inflight: epoll_pwait2" { inflight epoll_pwait2; }
@test "inflight: io_getevents" { inflight io_getevents; }
@test "inflight: sigsuspend" { inflight sigsuspend; }
@test "inflight: sigtimedwait" { inflight sigtimedwait; }
@test "inflight: pause" { inflight pause; }
@test "inflight: wait4" { inflight wait4; }
@test "inflight: waitid" { inflight waitid; }
@test "inflight: semtimedop" { inflight semtimedop; }
@test "inflight: semop" { inflight semop; }
@test "inflight: msgrcv" { inflight msgrcv; }
@test "inflight: flock" { inflight flock --file-locks; }
@test "inflight: fcntl(F_SETLKW)" { inflight fcntl --file-locks; }
@test "inflight: open of a FIFO without a writer" { inflight open; }
