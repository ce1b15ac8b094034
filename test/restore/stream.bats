load ../safety/stream

@test "stream: private memory, sparse and with all sorts of rights" {
	round mm/anon
}

@test "stream: all sorts of pages, zstd" {
	round mm/compress --compress
}

@test "stream: all sorts of pages, lz4" {
	round mm/compress --compress=lz4
}

@test "stream: pages that parent and child share stay shared" {
	round mm/cow
}

@test "stream: pages that parent and child share, compressed" {
	round mm/cow --compress
}

@test "stream: shared memory" {
	round mm/shmem
}

@test "stream: shared memory, compressed" {
	round mm/shmem --compress
}

@test "stream: System V segments" {
	round mm/sysv
}

@test "stream: mapped files" {
	round mm/file
}

@test "stream: AIO rings, whose pages are needed first" {
	round mm/aio
}

@test "stream: the vdso" {
	round mm/vdso
}

@test "stream: many mappings" {
	round mm/vmas
}

@test "stream: a memfd" {
	round fd/memfd
}

@test "stream: a tree, sessions whose leaders are gone" {
	round task/tree
}

@test "stream: threads" {
	round task/threads
}

@test "stream: zombies" {
	round task/zombies
}

@test "stream: deleted files" {
	round fd/ghost
}

@test "stream: pipes with data" {
	round fd/pipe
}

@test "stream: through pipes, into another pid namespace while it is written" {
	[ -z "${PLAIN:-}" ] || skip "nothing is saved"
	start mm/compress
	mkfifo "$TEST_DIR/pipe"
	unshare --pid --fork --mount-proc "$STASIS" restore --stream -D "$IMAGES" -o restore.log 3>&- <"$TEST_DIR/pipe" >"$TEST_DIR/restored" 2>&1 &
	"$STASIS" dump -t "$PID" --stream --compress -D "$IMAGES" -o dump.log 3>&- | cat >"$TEST_DIR/pipe"
	[ "${PIPESTATUS[0]}" = 0 ] || fail "the dump failed: $(cat "$TEST_DIR/restored")"
	touch "$TEST_DIR/go.$ROUND"
	until_true [ -s "$TEST_DIR/result" ] || fail "no answer: $(cat "$TEST_DIR/restored")"
	[ "$(cat "$TEST_DIR/result")" = ok ] || fail "$(cat "$TEST_DIR/result")"
}

# The answer of a pipe: what is verified is what was written.
@test "stream: verify reads it, and changes nothing" {
	[ -z "${PLAIN:-}" ] || skip "nothing is saved"
	start mm/compress
	stream_dump -R --compress
	said=$("$STASIS" verify --stream <"$STREAM") || fail "it is not whole"
	[ "$said" = "$(($("$STREAM_PY" "$STREAM" count))) frames, $(stat -c %s "$STREAM") bytes: all as they were written" ] || fail "$said"
	said=$(head -c 20000 "$STREAM" | "$STASIS" verify --stream 2>&1) && fail "status 0"
	[ "$said" = "cannot verify the stream: the stream ends at byte 20000, before its end mark: it was cut off, or the dump failed" ] || fail "$said"
	check
}

# under LIMIT FILE: KiB
under()
{
	[ "$(cat "$2")" -lt "$1" ] || fail "${2##*/}: $(cat "$2") KiB were needed"
	echo "${2##*/}: $(cat "$2") KiB"
}

# large [OPTIONS]: 300 MiB go through less than 64.
large()
{
	[ -z "${PLAIN:-}" ] || skip "nothing is saved"
	skip_if_emulated
	start safety/large 300
	STREAM=$TEST_DIR/stream
	"$PEAK_PY" "$TEST_DIR/dump.peak" "$STASIS" dump -t "$PID" --stream -D "$IMAGES" -o dump.log "$@" 3>&- | cat >"$STREAM"
	until_true is_gone || fail "it still runs"
	"$PEAK_PY" "$TEST_DIR/restore.peak" "$STASIS" restore --stream -d -D "$IMAGES" -o restore.log 3>&- < <(cat "$STREAM")
	under 65536 "$TEST_DIR/dump.peak"
	under 65536 "$TEST_DIR/restore.peak"
	check
}

@test "stream: 300 MiB, and neither side needs 64" {
	large
}

@test "stream: the same, compressed" {
	large --compress=lz4
}
