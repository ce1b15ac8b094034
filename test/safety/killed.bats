# The dumper is killed with SIGKILL at random moments: the one that works, or its guardian. The program goes on as it was.

load ../lib

ROUNDS=${ROUNDS:-40}

# Those of a process that are not the process's own: children of stasis.
worker_of()
{
	cat /proc/"$1"/task/"$1"/children 2>/dev/null || true
}

nobody_traces()
{
	grep -q '^TracerPid:	0$' /proc/"$PID"/status
}

# kill_at WHO MICROSECONDS
kill_at()
{
	local dumper workers

	"$STASIS" dump -t "$PID" -D "$IMAGES" -R -o dump.log 3>&- >/dev/null 2>&1 &
	dumper=$!
	sleep "$(printf '0.%06d' "$2")"
	if [ "$1" = guardian ]; then
		kill -KILL "$dumper" 2>/dev/null || true
	else
		workers=$(worker_of "$dumper")
		# shellcheck disable=SC2086 # one number, or none when it is done
		[ -z "$workers" ] || kill -KILL $workers 2>/dev/null || true
	fi
	wait "$dumper" 2>/dev/null || true
}

killed_rounds()
{
	local before i

	[ -z "${PLAIN:-}" ] || skip "nothing is saved"
	sleep 0.2
	before=$(cat /proc/"$PID"/maps; grep -hE '^(Sig[PBIC]|Shd)' /proc/"$PID"/task/*/status; ls /proc/"$PID"/fd)
	for ((i = 0; i < ROUNDS; i++)); do
		kill_at "$1" $((RANDOM % 25000))
		until_true nobody_traces || fail "round $i: it is still traced"
		diff <(echo "$before") <(cat /proc/"$PID"/maps; grep -hE '^(Sig[PBIC]|Shd)' /proc/"$PID"/task/*/status; ls /proc/"$PID"/fd) ||
			fail "round $i: something has changed"
	done
	dump_and_restore
	check
}

@test "killed: the process that works, and the guardian heals" {
	start task/threads 20
	killed_rounds worker
}

@test "killed: the guardian, and the process that works takes everything back" {
	start task/threads 20
	killed_rounds guardian
}
