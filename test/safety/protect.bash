# What the tests of 'stasis protect' share: a program that is asked whether its memory is as it has to be, at any moment.
# shellcheck disable=SC2154 # what the harness sets
load ../lib
load safety

QUESTION=0

# The directory of the checkpoints.
protect_setup()
{
	[ -z "${PLAIN:-}" ] || skip "nothing is saved"
	skip_unless uffd_wp_async
	skip_unless pagemap_scan
	SAVED=$TEST_DIR/images.saved
	mkdir -p "$SAVED"
	launch "$BUILD"/test/safety/protect
	all_well "at the beginning"
}

is_answered()
{
	[ -L "$TEST_DIR/answer.$QUESTION" ] || [ -e "$TEST_DIR/result" ] || ! runs "$PID"
}

# all_well [WHEN]: the program looks at all of its memory.
all_well()
{
	QUESTION=$((QUESTION + 1))
	ln -s "$QUESTION" "$TEST_DIR/ask.part"
	mv -T "$TEST_DIR/ask.part" "$TEST_DIR/ask"
	until_true is_answered || fail "$1: the program does not answer"
	[ ! -e "$TEST_DIR/result" ] || fail "$1: $(cat "$TEST_DIR/result")"
	[ -L "$TEST_DIR/answer.$QUESTION" ] || fail "$1: the program is gone"
}

# protect [OPTIONS]: in the background; what it says goes to $SAID, its end to $SAID.status.
protect()
{
	SAID=$TEST_DIR/said.$((SAID_COUNT += 1))
	: >"$SAID"
	(
		close_inherited
		status=0
		"$STASIS" protect "$PID" -D "$SAVED" "$@" >"$SAID" 2>&1 </dev/null &
		echo $! >"$SAID.pid"
		wait $! || status=$?
		echo "$status" >"$SAID.status"
	) 2>/dev/null &
	until_true test -s "$SAID.pid"
	PROTECTOR=$(cat "$SAID.pid")
}

count_increments()
{
	grep -c '^increment-[0-9]*: frozen' "$SAID" || true
}

has_increments()
{
	[ "$(count_increments)" -ge "$1" ] || [ -e "$SAID.status" ]
}

# increments N: waits for so many.
increments()
{
	until_true has_increments "$1"
	[ "$(count_increments)" -ge "$1" ] || fail "there are no $1 checkpoints; it said: $(cat "$SAID")"
}

ended()
{
	until_true test -s "$SAID.status" || fail "the tool does not end"
	[ "$(cat "$SAID.status")" = "$1" ] || fail "it ended with $(cat "$SAID.status") and said: $(cat "$SAID")"
}

stop_protecting()
{
	kill "-${1:-TERM}" "$PROTECTOR"
	ended 0
	grep -qx "pid $PID goes on unprotected, and nothing of it is tracked any more" "$SAID" || fail "it said: $(cat "$SAID")"
}

none_runs()
{
	local p

	for p in "$@"; do
		! runs "$p" || return 1
	done
}

kill_tree()
{
	local all

	mapfile -t all < <(tree)
	kill -KILL "${all[@]}" 2>/dev/null || true
	until_true none_runs "${all[@]}" || fail "the program does not end"
}

# Nobody of ours is at work any more, whoever was killed. The one that only holds the tracking is no worker.
workers_gone()
{
	local p

	for p in $(pgrep -f -- "$STASIS protect $PID -D $SAVED"); do
		[ "$(cat /proc/"$p"/comm 2>/dev/null)" = stasis-keeper ] || return 1
	done
}

# start_again [FOLDER]
start_again()
{
	IMAGES=${1:-$SAVED} restore
	runs "$PID" || fail "pid $PID does not run after the restore"
}

folders()
{
	find "$SAVED" -mindepth 1 -maxdepth 1 -type d | sort
}

not_tracked()
{
	[ ! -e /run/stasis/tracking-"$PID" ] || fail "something of it is still tracked"
	# shellcheck disable=SC2046
	! grep -q ' uw' $(tree | sed 's,..*,/proc/&/smaps,') || fail "its memory is still protected"
}
