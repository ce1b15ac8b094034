load ../lib

restarts()
{
	start task/restart "$1"
	dump_and_restore
	check
}

@test "restart: nanosleep" { restarts nanosleep; }
@test "restart: clock_nanosleep, relative" { restarts clock_nanosleep; }
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
