load ../lib
load criu

@test "criu: trees, sessions, groups, zombies, stopped tasks" {
	both task/rounds 0
	both task/tree nested
	both task/tree sessions
	both task/tree orphan
	both task/tree orphan-of-group
	from_criu task/tree orphan-of-session
	both task/tree 30
	both compat/task zombies
	from_criu task/zombies
	both task/stopped
	both task/subreaper
}

@test "criu: registers, threads" {
	both task/threads 100
	both task/regs
	both task/xstate
	both task/rseq
	both task/tid_address
	both task/robust_list
	both task/comm
	both task/sched
	both task/creds
	to_criu task/creds unprivileged
	both task/sigaltstack
}

@test "criu: what a process has" {
	both task/mm one two three
	both task/vdso
	both task/dumpable
	both task/membarrier
	both task/oom_score_adj
	both task/thp
	both compat/task limits
	from_criu task/pdeathsig
}

@test "criu: signals and timers" {
	both compat/task signals
	both compat/task timers
	from_criu task/itimers
	to_criu task/posix_timers
	from_criu task/cpu_timers
}

@test "criu: seccomp" {
	both task/seccomp_strict
	both task/seccomp_filter
	both task/seccomp_same
}

@test "criu: calls in flight" {
	local call

	for call in read write futex ppoll select sigsuspend pause wait4 open; do
		both task/inflight "$call" DIR
	done
	# These it leaves interrupted when it dumps, some of them at times only.
	for call in poll epoll_wait sigtimedwait; do
		to_criu task/inflight "$call" DIR
	done
	for call in nanosleep clock_nanosleep clock_nanosleep-absolute poll futex; do
		both task/restart "$call"
	done
}

@test "criu: a tree with something of everything" {
	both safety/rich
}
