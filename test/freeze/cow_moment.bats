# Moments of a tree that runs on while it is saved (--freeze=cow).
load moment.bash

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

@test "cow: the moment, shared memory that is saved in rounds before" {
	# shellcheck disable=SC2034 # of moment.bash
	MOMENT_SIZE=192
	moment_of pwrite
	moment_of brief
	moment_of revive
}
