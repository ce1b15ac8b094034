# Whoever is killed, whenever: one side has the program, and it is the same as before.
load ../lib
load hosts

# Processes of this test by a piece of their command line, the oldest first.
ours()
{
	# shellcheck disable=SC2046 # a list of numbers
	for p in $(started); do
		tr '\0' ' ' 2>/dev/null </proc/"$p"/cmdline | grep -q -- "$1" && echo "$p"
	done
	return 0
}

# The one who is to die.
choose()
{
	case $1 in
	guardian) ours "$STASIS migrate $PID" | head -n 1 ;;
	worker) ours "$STASIS migrate $PID" | tail -n 1 ;;
	receiver) ours "$STASIS receive" | head -n 1 ;;
	ssh) ours "link.py connect" | head -n 1 ;;
	sshd) p=$(ours "$STASIS receive" | head -n 1) && [ -n "$p" ] && ps -o ppid= -p "$p" ;;
	esac
}

at_work()
{
	[ -n "$(ours "$STASIS \(migrate\|receive\)")" ]
}

nobody_at_work()
{
	! at_work
}

# The side that has it; one that stands still is asked about.
settle()
{
	local id

	wait $! || true
	# What died with somebody takes a moment.
	until_true nobody_at_work || fail "$1: stasis does not end: $(ours "$STASIS")"
	id=$(on "$HERE" "$STASIS" migrate --status | sed -n 's/^\([0-9a-f]*\) source given.*/\1/p' | head -n 1)
	if [ -n "$id" ]; then
		DOUBTS=$((DOUBTS + 1))
		! runs_on "$HERE" || ! runs_on "$THERE" || fail "$1: it runs twice, in doubt"
		said=$(on "$HERE" "$STASIS" migrate --resume "$id" 2>&1) || fail "$1: resume: $said"
	fi
	until_true is_one || fail "$1: here $(state_on "$HERE"), there $(state_on "$THERE"); $said; $(cat "$TEST_DIR/said")"
	if runs_on "$THERE"; then
		MOVED=$((MOVED + 1))
		id=$HERE
		HERE=$THERE
		THERE=$id
	fi
	! on "$HERE" grep -q '^TracerPid:.[1-9]' /proc/"$PID"/status || fail "$1: it is still traced"
}

state_on()
{
	on "$1" grep ^State: /proc/"$PID"/status 2>&1
}

is_one()
{
	if runs_on "$HERE"; then is_not_on "$THERE"; else is_not_on "$HERE" && runs_on "$THERE"; fi
}

# killed ROUNDS WHO...
killed()
{
	local i who whom rounds=$1 longest

	shift
	[ -z "${SOAK:-}" ] || rounds=$((rounds * 25))
	HERE=a THERE=b MOVED=0 DOUBTS=0
	longest=${EPOCHREALTIME/./}
	moved a b
	longest=$((${EPOCHREALTIME/./} - longest))
	HERE=b THERE=a
	for ((i = 0; i < rounds; i++)); do
		who=$(shuf -n 1 -e "$@")
		move "$HERE" "$THERE" ${MODE:+--mode=$MODE} >"$TEST_DIR/said" 2>&1 &
		sleep "$(printf '0.%06d' $((RANDOM * 32768 % (longest > 999999 ? 999999 : longest))))"
		whom=$(choose "$who") || true
		# shellcheck disable=SC2086 # a number, or nothing
		[ -z "$whom" ] || kill -KILL $whom 2>/dev/null || true
		settle "round $i, $who"
		[ -z "${SOAK:-}" ] || echo "# $i $who: $(tail -n 1 "$TEST_DIR/said")" >&3
	done
	echo "# $MOVED of $rounds moved, $DOUBTS in doubt" >&2
	check_on "$HERE"
	nothing_left_on a b
}

@test "migrate killed: either stasis" {
	hosts_begin
	start_on a mm/anon
	killed 3 guardian worker receiver
}

@test "migrate killed: the link" {
	hosts_begin
	start_on a mm/anon
	killed 2 ssh sshd
}

@test "migrate killed: a tree in rounds" {
	hosts_begin
	start_on a safety/rich
	MODE=precopy
	killed 2 guardian worker receiver ssh sshd
}
