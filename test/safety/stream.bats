load stream

# refused FILE SENTENCE: the restore says this, ends with 1, and nothing is left of it.
refused()
{
	local said status=0

	said=$("$STASIS" restore -d --stream -D "$IMAGES" -o restore.log 3>&- <"$1" 2>&1) || status=$?
	[ "$status" = 1 ] || fail "status $status: $said"
	[ "$(wc -l <<<"$said")" = 1 ] || fail "more than a sentence: $said"
	# shellcheck disable=SC2053 # a pattern
	[[ $said = "cannot restore the stream: "$2 ]] || fail "$said"
	nothing_left
}

# damaged SENTENCE HOW...: of the stream, changed by stream.py.
damaged()
{
	local sentence=$1

	shift
	"$STREAM_PY" "$STREAM" "$@" >"$TEST_DIR/damaged" || fail "stream.py $*"
	refused "$TEST_DIR/damaged" "$sentence"
}

# saved PROGRAM [OPTIONS]
saved()
{
	[ -z "${PLAIN:-}" ] || skip "nothing is saved"
	start "$1"
	shift
	stream_dump "$@"
	until_true is_gone
	SIZE=$(stat -c %s "$STREAM")
	COUNT=$("$STREAM_PY" "$STREAM" count)
}

CUT="the stream ends at byte [0-9]*, before its end mark: it was cut off, or the dump failed"
WRONG="the stream is damaged *at byte *"

@test "stream: one that is cut off starts nothing, wherever that is" {
	local at

	saved mm/compress --compress
	damaged "the stream is empty: the dump failed, or was never begun" cut 0
	for at in 1 15 16 17 $((SIZE - 1)) $((SIZE - 56)) $((SIZE - 57)); do
		damaged "$CUT" cut "$at"
	done
	for at in $("$STREAM_PY" "$STREAM" borders | shuf -n 4) $(shuf -n 4 -i 16-$((SIZE - 1))); do
		damaged "$CUT" cut "$at"
	done
	stream_restore "$STREAM"
	check
}

@test "stream: one other bit anywhere, and nothing is started" {
	local at

	saved mm/compress
	damaged "what comes in is no stream of images" flip 3
	damaged "the stream is of version 33, *" flip 8
	for at in $("$STREAM_PY" "$STREAM" borders | shuf -n 3) $(shuf -n 6 -i 16-$((SIZE - 1))) $((SIZE - 1)); do
		damaged "$WRONG" flip "$at"
	done
	stream_restore "$STREAM"
	check
}

@test "stream: frames at other places, missing or there twice" {
	local i n

	saved mm/compress
	cp "$STREAM" "$TEST_DIR/other"
	for ((i = 0; i < 2; i++)); do
		n=$((RANDOM % (COUNT - 2)))
		damaged "$WRONG" swap $n $((n + 1))
		damaged "$WRONG" drop $n
		damaged "$WRONG" twice $n
	done
	damaged "$WRONG" drop $((COUNT - 2))
	stream_restore "$STREAM"
	stream_dump -R
	STREAM=$TEST_DIR/other
	refuse_graft
	check
}

# The tree lives, so its pids are in use: only the reading is tried.
refuse_graft()
{
	"$STREAM_PY" "$STREAM" graft "$TEST_DIR/stream" $((COUNT / 2)) >"$TEST_DIR/damaged"
	said=$("$STASIS" verify --stream <"$TEST_DIR/damaged" 2>&1) && fail "status 0"
	[[ $said = "cannot verify the stream: the stream is damaged or out of order at byte "* ]] || fail "$said"
}

@test "stream: what is none" {
	local said

	[ -z "${PLAIN:-}" ] || skip "nothing is saved"
	echo "this is a text of more than sixteen bytes" >"$TEST_DIR/text"
	refused "$TEST_DIR/text" "what comes in is no stream of images"
	printf '\x28\xb5\x2f\xfd%s' "more than sixteen bytes" >"$TEST_DIR/zstd"
	refused "$TEST_DIR/zstd" "what comes in is no stream of images; it is compressed: put 'zstd -d' before it"
}

# --- the other side ------------------------------------------------------------------------------------------

# goes_on BEFORE SENTENCE: the dump, whose words are in $TEST_DIR/said, failed with this, and the tree is as it was.
goes_on()
{
	unchanged "$1" "after the dump"
	[ "$(cat "$TEST_DIR/said")" = "cannot dump $PID: $2" ] || fail "the dump said: $(cat "$TEST_DIR/said")"
}

GONE="whoever read the stream has gone away"

# dump_into COMMAND...
dump_into()
{
	"$STASIS" dump -t "$PID" --stream -D "$IMAGES" -v4 -o dump.log $OPTIONS 3>&- 2>"$TEST_DIR/said" | "$@" >/dev/null
	[ "${PIPESTATUS[0]}" = 1 ] || fail "the dump ended with ${PIPESTATUS[0]}"
}

# A reader of N bytes that goes away then.
reads_only()
{
	dd bs=1 count="$1" status=none 3>&-
}

@test "stream: a reader that goes away costs the tree nothing" {
	local before at OPTIONS=

	[ -z "${PLAIN:-}" ] || skip "nothing is saved"
	start mm/compress
	sleep 0.2
	before=$(snapshot)
	stream_dump -R
	SIZE=$(stat -c %s "$STREAM")
	for at in 0 1 16 1000 30000 70000 200000 $((RANDOM * 30)); do
		dump_into reads_only "$at"
		[ "$(cat "$TEST_DIR/said")" != "cannot dump $PID: nobody reads the stream" ] || continue
		goes_on "$before" "$GONE"
	done
	check
}

# All but the last bytes, which lie in the pipe.
leaves_the_end()
{
	head -c $((SIZE - 20000)) 3>&-
	until_true grep -q "step 'track': done" "$IMAGES/dump.log"
	sleep 0.3
}

@test "stream: a reader that goes away when all is written, but not read" {
	local before OPTIONS=

	[ -z "${PLAIN:-}" ] || skip "nothing is saved"
	start mm/compress
	sleep 0.2
	before=$(snapshot)
	stream_dump -R
	SIZE=$(stat -c %s "$STREAM")
	dump_into leaves_the_end
	goes_on "$before" "$GONE"
	check
}

waits()
{
	sleep 3 3>&-
}

@test "stream: a reader that does not read is not waited for for ever" {
	local before OPTIONS=--timeout=1

	[ -z "${PLAIN:-}" ] || skip "nothing is saved"
	start mm/compress
	sleep 0.2
	before=$(snapshot)
	dump_into waits
	goes_on "$before" "nobody has read from the stream for 1 seconds; --timeout sets how long is waited"
	check
}

reads_slowly()
{
	local i

	for ((i = 0; i < 5; i++)); do
		sleep 0.5
		dd bs=64k count=4 iflag=fullblock status=none
	done
	cat
} 3>&-

@test "stream: a reader that is slow is waited for" {
	[ -z "${PLAIN:-}" ] || skip "nothing is saved"
	start mm/compress
	STREAM=$TEST_DIR/stream
	"$STASIS" dump -t "$PID" --stream -D "$IMAGES" --timeout=2 -o dump.log 3>&- | reads_slowly >"$STREAM"
	[ "${PIPESTATUS[0]}" = 0 ]
	until_true is_gone
	stream_restore "$STREAM"
	check
}

@test "stream: a dump that is interrupted while it waits for the reader" {
	local before

	[ -z "${PLAIN:-}" ] || skip "nothing is saved"
	start mm/compress
	sleep 0.2
	before=$(snapshot)
	mkfifo "$TEST_DIR/pipe"
	# It is open for reading, and nobody reads.
	# shellcheck disable=SC2217
	sleep 60 3>&- <"$TEST_DIR/pipe" &
	"$STASIS" dump -t "$PID" --stream -D "$IMAGES" -v4 -o dump.log 3>&- >"$TEST_DIR/pipe" 2>"$TEST_DIR/said" &
	until_true grep -q "step 'images': done" "$IMAGES/dump.log"
	sleep 0.3
	kill -INT $!
	wait $! && fail "status 0"
	goes_on "$before" "the dump was interrupted"
	check
}

# --- death ---------------------------------------------------------------------------------------------------

# killed WHO: a stream of which a part is missing is refused, the tree goes on; if it has gone, the stream is whole.
killed()
{
	local who=$1 before i count=0 longest start

	[ -z "${PLAIN:-}" ] || skip "nothing is saved"
	start mm/compress
	sleep 0.2
	before=$(snapshot)
	start=${EPOCHREALTIME/./}
	stream_dump -R
	longest=$(((${EPOCHREALTIME/./} - start) * 6 / 5))
	for ((i = 0; i < ${ROUNDS:-20}; i++)); do
		# shellcheck disable=SC2016 # by the inner shell
		killer "$who" $(((RANDOM * 32768 + RANDOM) % longest)) \
			bash -c 'exec "$0" "$@" >"$TEST_DIR/stream"' "$STASIS" dump -t "$PID" --stream -D "$IMAGES" -R -o dump.log
		unchanged "$before" "round $i, $who"
		[ "$said" = 0 ] && continue
		count=$((count + 1))
		only_logs
	done
	[ "$count" -gt 3 ] || fail "only $count were killed in time"
	check
}

@test "stream: the dumper is killed" {
	killed command
}

@test "stream: the one that does the work is killed" {
	killed child
}

@test "stream: a fault after each step leaves the tree, and no whole stream" {
	local before step said status

	[ -z "${PLAIN:-}" ] || skip "nothing is saved"
	start mm/compress
	sleep 0.2
	before=$(snapshot)
	while read -r step; do
		status=0
		said=$("$STASIS" dump -t "$PID" --stream -D "$IMAGES" -o dump.log --inject-fault "$step" 3>&- 2>&1 >"$TEST_DIR/stream") || status=$?
		[ "$status" = 1 ] || fail "$step: status $status: $said"
		unchanged "$before" "fault after '$step'"
		# Between the end mark and the end of the tree nothing can go wrong but by force.
		[ "$step" = "end mark" ] || [ "$step" = "hand over" ] || [ "$step" = "lazy pages" ] || [ "$step" = go ] || ! "$STASIS" verify --stream <"$TEST_DIR/stream" >/dev/null 2>&1 || fail "$step: whole"
	done < <(steps_of "$BATS_TEST_DIRNAME/../../dump/dump.c")
	check
}

# --- what is refused -----------------------------------------------------------------------------------------

# refuses SENTENCE OPTIONS...
refuses()
{
	local sentence=$1 said

	shift
	said=$("$STASIS" "$@" 3>&- 2>&1 >/dev/null </dev/null | cat) || true
	[ "$said" = "$sentence" ] || fail "it said: $said"
}

@test "stream: what does not go together with it" {
	[ -z "${PLAIN:-}" ] || skip "nothing is saved"
	start mm/anon
	local stream=(dump -t "$PID" -D "$IMAGES" -o dump.log --stream)
	local whole="cannot dump $PID: a stream is whole: it holds no increments; leave --prev-images-dir, --track-mem and --auto-dedup out"
	local still="cannot dump $PID: a stream is written while the tree stands still (--freeze=stop), not with --freeze"

	refuses "$whole" "${stream[@]}" --prev-images-dir ../0
	refuses "$whole" "${stream[@]}" --track-mem
	refuses "$whole" "${stream[@]}" --auto-dedup
	refuses "$still=precopy; save into a folder, and send that" "${stream[@]}" --freeze=precopy
	refuses "$still=cow; save into a folder, and send that" "${stream[@]}" --freeze=cow --leave-running
	refuses "option '--stream' is for 'dump', 'restore' and 'verify' only" pre-dump -t "$PID" --stream
	refuses "options '--stream' and '--dry-run' exclude each other: plans are made of images in a folder" restore --stream --dry-run
	refuses "cannot dump $PID: the stream would go to a device, where it is lost or of no use; it needs a pipe, a socket or a file" "${stream[@]}"
	check
}

@test "stream: messages must not get into it" {
	local said

	[ -z "${PLAIN:-}" ] || skip "nothing is saved"
	start mm/anon
	said=$("$STASIS" dump -t "$PID" --stream -D "$IMAGES" -o dump.log 3>&- 2>&1) && fail "status 0"
	[ "$said" = "cannot dump: standard error goes where the stream goes, and a message would damage it; leave '2>&1' out" ] || fail "$said"
	check
}

@test "stream: not to a terminal, and not from one" {
	local said

	[ -z "${PLAIN:-}" ] || skip "nothing is saved"
	start mm/anon
	said=$(script -qec "'$STASIS' dump -t $PID --stream -D '$IMAGES' -o dump.log" /dev/null 3>&- </dev/null | tr -d '\r')
	[ "$said" = "cannot dump $PID: the stream would go to a terminal; put a program behind it that takes it: '| zstd >FILE', '| ssh ...'" ] || fail "$said"
	said=$(script -qec "'$STASIS' restore --stream -D '$IMAGES' -o restore.log" /dev/null 3>&- </dev/null | tr -d '\r')
	[ "$said" = "cannot restore the stream: the stream would come from a terminal" ] || fail "$said"
	check
}
