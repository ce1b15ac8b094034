load ../lib

eval "$(declare -f teardown | sed '1s/teardown/teardown_all/')"

teardown()
{
	[ -z "${PID:-}" ] || rm -f /dev/shm/{,sem.}stasis-test-"$PID"
	teardown_all
}

@test "posix_ipc: named and unnamed semaphores with those who wait, and shared memory" {
	start mm/posix_ipc
	dump_and_restore
	check
}

@test "posix_ipc: the same without their names" {
	start mm/posix_ipc removed
	dump_and_restore
	check
}
