load ../lib

nobody_is_dead()
{
	local core

	for core in "$IMAGES"/core-*.img; do
		! "$STASIS" show "$core" | grep -q '"task_state": "Dead"' || fail "'$core' is of a process that has ended"
	done
}

# A first thread that another one's exec() ends is gone for a moment, and the process is not.
@test "exec: a process that becomes another program is not taken for one that has ended" {
	[ -z "${PLAIN:-}" ] || skip "nothing is saved"
	start task/exec
	for _ in $(seq 10); do
		dump --leave-running
		nobody_is_dead
	done
	dump_and_restore
	check
}
