load ../lib

nobody_is_dead()
{
	local core

	for core in "$IMAGES"/core-*.img; do
		! "$STASIS" show "$core" | grep -q '"task_state": "Dead"' || fail "'$core' is of a process that has ended"
	done
}

# On a busy machine it may not be found in one piece in time, and that is said.
dump_at_last()
{
	local said

	for _ in 1 2 3 4 5; do
		said=$(dump "$@") && return 0
		[[ $said == *"the first thread of pid "*" has exited while others live on"* ]] || break
	done
	fail "$said"
}

# A first thread that another one's exec() ends is gone for a moment, and the process is not.
@test "exec: a process that becomes another program is not taken for one that has ended" {
	[ -z "${PLAIN:-}" ] || skip "nothing is saved"
	start task/exec
	for _ in $(seq 10); do
		dump_at_last --leave-running
		nobody_is_dead
	done
	dump_at_last
	until_true is_gone
	restore
	check
}
