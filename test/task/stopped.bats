load ../lib

@test "stopped: children stopped by SIGSTOP and SIGTSTP stay so until SIGCONT" {
	start task/stopped
	dump_and_restore
	check
}

@test "stopped: they are still stopped after a dump that leaves them" {
	start task/stopped
	dump --leave-running
	check
}

# After victim_ready the harness stops the whole program: root of the tree and its two children.
@test "stopped: the root of the tree itself" {
	start task/rounds 0
	kill -STOP "$PID"
	until_true grep -q '^State:.T' "/proc/$PID/status"
	dump_and_restore
	grep -q '^State:.T' "/proc/$PID/status"
	kill -CONT "$PID"
	check
}

@test "stopped: the signal that will end it waits until it goes on" {
	[ -z "${PLAIN:-}" ] || skip "nothing is saved"
	start task/rounds 0
	kill -STOP "$PID"
	until_true grep -q '^State:.T' "/proc/$PID/status"
	kill -TERM "$PID"
	kill -TRAP "$PID"
	dump_and_restore
	grep -q '^State:.T' "/proc/$PID/status"
	kill -CONT "$PID"
	until_true is_gone
}
