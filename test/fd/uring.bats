load ../lib

refused()
{
	start fd/uring_odd "$1"
	refuse "cannot dump $PID: fd 3 (uring) of pid $PID: ${2//COMM/$PID}"
}

@test "uring: rings with unread completions, requests to come, files, buffers" {
	start fd/uring
	dump_and_restore
	check
}

@test "uring: a dump that leaves the program running changes nothing" {
	start fd/uring
	dump --leave-running
	check
}

@test "uring: a request under way is refused, and goes on" {
	refused poll "requests are under way in it, or may be (it has taken 1 and completed 0); try again when they are done"
}

@test "uring: a timeout is refused" {
	refused timeout "requests are under way in it, or may be (it has taken 11 and completed 10); try again when they are done"
}

@test "uring: an eventfd that is told is refused, and is still told" {
	refused event "it tells an eventfd of its completions, which is not supported; let the program close it before the dump"
}

@test "uring: a queue that a thread of the kernel looks after is refused" {
	refused polled "a thread of the kernel looks after it (IORING_SETUP_SQPOLL), which is not supported; let the program close it before the dump"
}

@test "uring: one that only one thread may use is refused" {
	refused single "only one thread may use it (IORING_SETUP_SINGLE_ISSUER), which is not supported; let the program close it before the dump"
}

@test "uring: one that is not enabled yet is refused" {
	refused disabled "it is not enabled yet (IORING_SETUP_R_DISABLED), which is not supported; let the program close it before the dump"
}

@test "uring: a registered file without a descriptor is refused" {
	refused hidden "it is not to be known which descriptor the registered file '/proc/COMM/comm' is: none leads there, or several do; let the program unregister it before the dump"
}

@test "uring: one that buffers are provided to is refused" {
	refused provided "buffers are provided to it for receiving, which is not supported; let the program close it before the dump"
}

@test "uring: one that shares a ring of buffers is refused" {
	refused shared "buffers are provided to it for receiving, which is not supported; let the program close it before the dump"
}

@test "uring: one that is registered with a thread is refused" {
	start fd/uring_odd registered
	refuse "cannot dump $PID: task/unsupported of pid $PID: it has registered a ring of io_uring (IORING_REGISTER_RING_FDS), which is not supported; let the program unregister it before the dump"
}
