# What the tests share that dump into a stream.

# shellcheck disable=SC2034 # "STREAM" and "said" are for the tests
load ../lib
load ../safety/safety

STREAM_PY=$BATS_TEST_DIRNAME/../safety/stream.py
PEAK_PY=$BATS_TEST_DIRNAME/../safety/peak.py

only_logs()
{
	[ -z "$(find "$IMAGES" -mindepth 1 ! -name '*.log')" ] || fail "there is more than logs: $(ls "$IMAGES")"
}

# stream_dump [OPTIONS]: into $TEST_DIR/stream; it has nothing to say, and nothing but a log is left in the folder.
stream_dump()
{
	STREAM=$TEST_DIR/stream
	said=$("$STASIS" dump -t "$PID" --stream -D "$IMAGES" -v4 -o dump.log "$@" 3>&- 2>&1 >"$STREAM") ||
		fail "the dump ended with $? and said: $said"
	[ -z "$said" ] || fail "the dump said: $said"
	only_logs
}

# stream_restore FILE [OPTIONS]
stream_restore()
{
	local from=$1

	shift
	said=$("$STASIS" restore --stream -d -D "$IMAGES" -v4 -o restore.log "$@" 3>&- <"$from" 2>&1) ||
		fail "the restore ended with $? and said: $said"
	[ -z "$said" ] || fail "the restore said: $said"
	only_logs
}

# round PROGRAM [OPTIONS]
round()
{
	start "$1"
	shift
	if [ -z "${PLAIN:-}" ]; then
		stream_dump "$@"
		until_true is_gone || fail "it still runs"
		stream_restore "$STREAM"
	fi
	check
}
