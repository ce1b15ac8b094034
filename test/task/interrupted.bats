load ../lib

# A signal that comes before the stop has been taken would be handled first.
stop_and_signal()
{
	kill -STOP "$PID"
	until_true grep -q '^State:.T' "/proc/$PID/status"
	kill -USR1 "$PID"
}

interrupted()
{
	start task/interrupted "$@"
	stop_and_signal
	dump_and_restore
	kill -CONT "$PID"
	check
}

@test "interrupted: a signal that came before the dump ends the read" { interrupted read; }
@test "interrupted: the read goes on if the handler asks for that" { interrupted read restarts; }
# signal(7): these are not made again, whatever the handler asks for.
@test "interrupted: poll" { interrupted poll restarts; }
@test "interrupted: ppoll, which opens the mask" { interrupted ppoll restarts; }
@test "interrupted: pselect, which opens the mask" { interrupted pselect restarts; }
@test "interrupted: epoll_wait" { interrupted epoll_wait restarts; }
@test "interrupted: epoll_pwait, which opens the mask" { interrupted epoll_pwait restarts; }
@test "interrupted: semop" { interrupted semop restarts; }
@test "interrupted: sigwaitinfo" { interrupted sigwaitinfo restarts; }
@test "interrupted: sigsuspend" { interrupted sigsuspend restarts; }
@test "interrupted: nanosleep" { interrupted nanosleep restarts; }

@test "interrupted: a dump that leaves the program running changes nothing" {
	start task/interrupted read
	stop_and_signal
	dump --leave-running
	kill -CONT "$PID"
	check
}
