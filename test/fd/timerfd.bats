load ../lib

@test "timerfd: the time left, the period and unread ticks survive; the time between does not count" {
	start fd/timerfd
	dump
	sleep 2.5
	restore
	check
}

@test "timerfd: a dump that leaves the program running changes no timer" {
	start fd/timerfd
	dump --leave-running
	check
}
