# The dumper is killed while the tree runs, and in the stops in between.
load killed.bash

@test "killed: the process that dumps, while the tree runs on" {
	start safety/rich
	rounds child --freeze=cow
}

@test "killed: the guardian, while the tree runs on" {
	start safety/rich
	rounds command --freeze=cow
}

@test "killed: a hundred threads that run on" {
	start task/threads 100
	rounds child --freeze=cow
}

@test "killed: a process without any privilege that runs on" {
	start task/creds unprivileged
	rounds child --freeze=cow
}

@test "killed: the process that dumps, between rounds of pre-copy" {
	start safety/rich
	rounds child --freeze=precopy
}

@test "killed: the guardian, between rounds of pre-copy" {
	start task/threads 100
	rounds command --freeze=precopy
}

# Once it is complete somebody tracks, and can be told to stop.
@test "killed: a pre-dump, whoever it is" {
	[ -z "${PLAIN:-}" ] || skip "nothing is saved"
	local before i who
	start safety/rich
	sleep 0.2
	before=$(snapshot)
	for ((i = 0; i < ROUNDS; i++)); do
		who=$([ $((i % 2)) = 0 ] && echo child || echo command)
		killer "$who" $((RANDOM % 20000)) "$STASIS" pre-dump -t "$PID" -D "$IMAGES" -o dump.log
		"$STASIS" untrack -t "$PID" >/dev/null 2>&1 || [ ! -e /run/stasis/tracking-"$PID" ] || fail "round $i: it is tracked"
		unchanged "$before" "round $i, $who"
	done
	check
}
