load ../lib

restarts()
{
	start task/restart "$1"
	dump_and_restore
	check
}

@test "restart: nanosleep" { restarts nanosleep; }
@test "restart: nanosleep without a place for the rest" { restarts nanosleep-no-rest; }
@test "restart: nanosleep, the rest over the request" { restarts nanosleep-same; }
@test "restart: clock_nanosleep, relative" { restarts clock_nanosleep; }
@test "restart: clock_nanosleep, the rest over the request" { restarts clock_nanosleep-same; }
@test "restart: clock_nanosleep, absolute" { restarts clock_nanosleep-absolute; }
@test "restart: clock_nanosleep, absolute, wall clock" { restarts clock_nanosleep-realtime; }
@test "restart: poll" { restarts poll; }
@test "restart: ppoll" { restarts ppoll; }
@test "restart: select" { restarts select; }
@test "restart: pselect" { restarts pselect; }
@test "restart: epoll_wait" { restarts epoll_wait; }
@test "restart: futex" { restarts futex; }
@test "restart: futex, absolute" { restarts futex-absolute; }
@test "restart: sigtimedwait" { restarts sigtimedwait; }
@test "restart: semtimedop" { restarts semtimedop; }

@test "restart: a dump that leaves the program running interrupts nothing that the kernel restarts" {
	start task/restart all stays
	dump --leave-running
	check
}

# The kernel calls restart_syscall then, which says nothing of what it carries on with.
@test "restart: calls that were interrupted before" {
	start task/restart all twice
	kill -STOP "$PID"
	until_true grep -q '^State:.T' "/proc/$PID/status"
	kill -CONT "$PID"
	sleep 0.05
	dump --leave-running
	next_images again
	dump_and_restore
	check
}
