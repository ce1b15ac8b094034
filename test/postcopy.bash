# What the tests of post-copy by hand share; load it behind lib and migrate/hosts.

# In the background, until it takes requests: DUMP is nsenter, whose child is ours.
lazy_dump()
{
	on a "${FROM:-$STASIS}" dump --lazy-pages -t "$PID" -D "$IMAGES" -v4 -o dump.log --address 10.98.0.1 --port 27 "${EXTRA[@]}" "$@" </dev/null >"$TEST_DIR/dump.out" 2>&1 3>&- &
	DUMP=$!
	until_true gives || fail "the dump does not come so far"
	runs "$DUMP" || fail "the dump has ended: $(cat "$TEST_DIR/dump.out")"
}

gives()
{
	if runs "$DUMP"; then [ -e "$IMAGES/inventory.img" ] && [ -n "$(on a ss -tlnH "sport = :27")" ]; fi
}

# last_of PID: the last of a row of processes of which each has one child, and the one before.
last_of()
{
	local pid=$1 next before=

	while next=$(cat /proc/"$pid"/task/*/children) && [ -n "$next" ]; do
		before=$pid
		pid=${next%% *}
	done
	echo "$pid $before"
}

# The process of the dump that gives pages, and the one that waits for it.
givers()
{
	last_of "$DUMP"
}

giver()
{
	givers | cut -d' ' -f1
}

bring()
{
	on b "${BY:-$STASIS}" lazy-pages --page-server --address 10.98.0.1 --port 27 -D "$IMAGES" -v4 -o lazy.log "$@" </dev/null >"$TEST_DIR/lazy.out" 2>&1 3>&- &
	# shellcheck disable=SC2034 # the tests use it
	BRINGS=$!
	until_true test -S "$IMAGES/lazy-pages.socket" || fail "it does not listen: $(cat "$TEST_DIR/lazy.out")"
}

restore_lazily()
{
	quietly on b "${TO:-$STASIS}" restore -d --lazy-pages -D "$IMAGES" -v4 -o restore.log
}

# ended PID NAME: well, and without a word.
ended()
{
	local status=0

	wait "$1" || status=$?
	[ "$status$(cat "$TEST_DIR/$2.out")" = 0 ] || fail "$2 ended with $status and said: $(cat "$TEST_DIR/$2.out")"
}

# Nobody logs in here.
link_begin()
{
	:
}
