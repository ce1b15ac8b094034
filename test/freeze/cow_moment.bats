# Moments of a tree that runs on while it is saved (--freeze=cow).
load moment.bash

# The program is saved while it writes as fast as it may and changes mappings and tasks (moment.c).
moment_of()
{
	# shellcheck disable=SC2034 # used by disturbed
	FREEZE_WAYS=("--freeze=cow")
	disturbed "$@"
}

@test "cow: the moment, pieces that are unmapped and mapped again" {
	moment_of unmap
}

@test "cow: the moment, memory that moves, shrinks and grows" {
	moment_of move
}

@test "cow: the moment, mappings over others" {
	moment_of fixed
}

@test "cow: the moment, pages given back" {
	moment_of dontneed
	moment_of free
}

@test "cow: the moment, a heap that grows and shrinks" {
	moment_of brk
}

@test "cow: the moment, threads and processes that come and go" {
	moment_of threads
	moment_of processes
	moment_of fork
	moment_of vfork
}

@test "cow: the moment, another program is executed" {
	moment_of exec
}

@test "cow: the moment, again and again while tasks come and go" {
	stopped_often exec --freeze=cow
	stopped_often vfork --freeze=cow
	stopped_often threads --freeze=cow
	stopped_often processes --freeze=cow
}

@test "cow: the moment, huge pages that are split and made" {
	moment_of huge
}

@test "cow: the moment, the kernel writes" {
	moment_of direct
	moment_of pipe
	moment_of sibling
}

@test "cow: the moment, holes in shared memory, files that become shorter" {
	moment_of remove
	moment_of truncate
}

@test "cow: the moment, all at once" {
	moment_of all
	moment_of all paced
	moment_of all idle
}
