load ../lib

@test "unsupported: a program that catches its own system calls" {
	start task/unsupported dispatch
	refuse "cannot dump $PID: task/unsupported of thread $PID of pid $PID: it catches its own system calls (PR_SET_SYSCALL_USER_DISPATCH, as Wine does), which is not supported"
}

@test "unsupported: a local descriptor table" {
	start task/unsupported ldt
	refuse "cannot dump $PID: task/unsupported of pid $PID: it has a local descriptor table (modify_ldt), which is not supported"
}

@test "unsupported: memory shared by two processes" {
	local sharer

	start task/unsupported shared-memory
	sharer=$(cat /proc/"$PID"/task/*/children)
	refuse "cannot dump $PID: pid ${sharer% } shares its memory with another process, which is not supported; a process made by vfork() does so until it calls exec()"
}

@test "unsupported: a first thread that has exited" {
	start task/unsupported dead-leader
	refuse "cannot dump $PID: the first thread of pid $PID has exited while others live on, which is not supported"
}
