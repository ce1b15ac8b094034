# What the tests share in which the dumper or the restorer is killed with SIGKILL at random moments. ROUNDS=... for more.
#
# Not tried: both processes of a dump killed at the same instant, which nobody is left to heal.

# shellcheck disable=SC2154 # "said" is what killer() leaves
load ../lib
load safety

ROUNDS=${ROUNDS:-${SOAK:+100}}
ROUNDS=${ROUNDS:-24}
# The leak sanitizer looks around from a child, and waits for ever when that is the one that is killed.
export ASAN_OPTIONS=detect_leaks=0

# A dump that nobody kills shows how long it takes, and when the runner is in there.
measure()
{
	local start=${EPOCHREALTIME/./} took

	"$STASIS" dump -t "$PID" -D "$IMAGES" -R -v4 -o dump.log "$@" 3>&- || fail "it does not work at all"
	took=$((${EPOCHREALTIME/./} - start))
	LONGEST=$((took * 6 / 5))
	INSIDE=$(sed -n "s/^(\([0-9]*\)\.\([0-9]*\)) step 'inside'.*/\1\2/p" "$IMAGES"/dump.log)
	INSIDE=$((10#$INSIDE + 3000))
}

# Every other one while the tree is stopped and asked.
a_moment()
{
	echo $(((RANDOM * 32768 + RANDOM) % ($1 % 2 ? LONGEST : INSIDE)))
}

files()
{
	find "$TEST_DIR" -path "$IMAGES" -prune -o ! -name 'killer.err' -print | sort
}

complete_or_refused()
{
	# Written when all is done, and not a part of the images.
	rm -f "$IMAGES"/stats-dump
	if [ -e "$IMAGES"/inventory.img ]; then
		"$STASIS" show "$IMAGES" >/dev/null || fail "$1: the images look complete, but they are not"
	else
		no_complete_dump
	fi
}

# rounds WHO [OPTIONS]: dumps that leave the program running.
rounds()
{
	local who=$1 before files i killed=0

	[ -z "${PLAIN:-}" ] || skip "nothing is saved"
	shift
	sleep 0.2
	before=$(snapshot)
	files=$(files)
	measure "$@"
	for ((i = 0; i < ROUNDS; i++)); do
		killer "$who" "$(a_moment $i)" "$STASIS" dump -t "$PID" -D "$IMAGES" -R -o dump.log "$@"
		[ "$said" = 0 ] || killed=$((killed + 1))
		unchanged "$before" "round $i, $who"
		complete_or_refused "round $i"
		diff <(echo "$files") <(files) || fail "round $i: files are left"
	done
	[ "$killed" -gt $((ROUNDS / 8)) ] || fail "only $killed of $ROUNDS were killed in time"
	rm -rf "${IMAGES:?}"/*
	[[ $* == *cow* ]] || dump_and_restore "$@"
	check
}
