load ../lib

inflight()
{
	start task/inflight_timeout "$1"
	dump_and_restore
	check
}

@test "inflight_timeout: nanosleep" { inflight nanosleep; }
@test "inflight_timeout: clock_nanosleep, relative" { inflight clock_nanosleep; }
@test "inflight_timeout: clock_nanosleep, absolute" { inflight clock_nanosleep-absolute; }
@test "inflight_timeout: clock_nanosleep, absolute, wall clock" { inflight clock_nanosleep-realtime; }
@test "inflight_timeout: poll" { inflight poll; }
@test "inflight_timeout: ppoll" { inflight ppoll; }
@test "inflight_timeout: select" { inflight select; }
@test "inflight_timeout: pselect" { inflight pselect; }
@test "inflight_timeout: epoll_wait" { inflight epoll_wait; }
@test "inflight_timeout: futex" { inflight futex; }
@test "inflight_timeout: futex, absolute" { inflight futex-absolute; }
@test "inflight_timeout: sigtimedwait" { inflight sigtimedwait; }
@test "inflight_timeout: semtimedop" { inflight semtimedop; }
