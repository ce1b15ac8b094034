load ../lib

key()
{
	printf '%d' $((0x57a515 + PID))
}

remove_all()
{
	ipcrm -S "$(key)" -Q "$(key)" 2>/dev/null || true
}

eval "$(declare -f teardown | sed '1s/teardown/teardown_all/')"

# Whatever became of the test.
teardown()
{
	[ -z "${PID:-}" ] || remove_all
	teardown_all
}

@test "sysvipc: semaphores and a queue that are still there, with undo values and calls that wait" {
	start task/sysvipc
	dump_and_restore
	check
}

@test "sysvipc: those that are gone are made again, with their ids" {
	start task/sysvipc
	dump
	until_true is_gone
	remove_all
	restore
	check
}

@test "sysvipc: a dump that leaves the program running changes none of it" {
	start task/sysvipc
	dump --leave-running
	check
}

@test "sysvipc: what was made again is saved again" {
	start task/sysvipc
	dump
	until_true is_gone
	remove_all
	restore
	next_images again
	dump
	until_true is_gone
	remove_all
	restore
	check
}

@test "sysvipc: hundreds of semaphores, and values at the ends of what there can be" {
	start task/sysvipc many
	dump
	until_true is_gone
	restore
	next_images again
	dump
	until_true is_gone
	remove_all
	restore
	check
}

@test "sysvipc: what somebody else has taken is not taken twice" {
	local said status=0

	start task/sysvipc
	dump
	until_true is_gone
	"$BUILD/test/task/sysvipc" take "$(key)"
	said=$("$STASIS" restore -d -D "$IMAGES" 2>&1) || status=$?
	[ "$status" = 1 ] || fail "it ended with $status and said: $said"
	[[ $said == *": take up again what it held of System V semaphore 2 of id "*": Resource temporarily unavailable" ]] ||
		fail "$said"
	nothing_left
	remove_all
}

@test "sysvipc: a restore that fails leaves none behind" {
	start task/sysvipc
	dump
	until_true is_gone
	remove_all
	run "$STASIS" restore -d -D "$IMAGES" --inject-fault last
	[ "$status" = 1 ] || fail "$output"
	! ipcs -s -q | grep -qi "$(printf '0x%08x' "$(key)")" || fail "$(ipcs)"
}

@test "sysvipc: undo values of two processes, or of a thread alone, are refused" {
	start task/sysvipc shared
	local child
	child=$(cat /proc/"$PID"/task/"$PID"/children)
	refuse "cannot dump $PID: task/sysvipc: pid $PID and pid ${child% } share undo values of semaphores (CLONE_SYSVSEM), which is not supported"
	kill_all
	rm -f "$TEST_DIR"/{ready,go,result}*
	start task/sysvipc apart
	local tid
	tid=$(ps -L -o tid= -p "$PID" | tail -n 1)
	tid=${tid// /}
	refuse "cannot dump $PID: task/sysvipc of pid $PID: thread $tid holds undo values of semaphores apart from its process (CLONE_SYSVSEM), which is not supported"
}
