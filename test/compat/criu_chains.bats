# Increments: folders that take pages from those before them.
load ../lib
load criu

# saved_by PROGRAM COMMAND [OPTIONS]: one more folder of the chain, by the program that dumps; then it runs on.
saved_by()
{
	local by=$1 command=$2

	shift 2
	[ "$ROUND" = 1 ] || set -- "$@" --prev-images-dir "../images.$((ROUND - 1))"
	quietly "$by" "$command" -t "$PID" -D "$IMAGES" -v4 -o dump.log "$@"
}

# chain FROM: three folders, of which the last one is a whole dump.
chain()
{
	local from=$1

	shift
	[ -z "${PLAIN:-}" ] || skip "nothing is saved"
	start freeze/increment 2
	saved_by "$from" pre-dump --track-mem
	go
	saved_by "$from" pre-dump --track-mem
	go
	ended_by "$from" "$@"
}

# ended_by PROGRAM [OPTIONS]: the dump that ends the program.
ended_by()
{
	local pids

	# shellcheck disable=SC2046
	pids=$(tree "$PID")
	saved_by "$1" dump --track-mem "${@:2}"
	# shellcheck disable=SC2086
	until_true are_gone $pids || fail "they still run: $pids"
}

restored_by()
{
	STASIS=$1 restore "${@:2}"
	check
	afresh
}

tracks()
{
	skip_unless uffd_wp_async
	skip_unless pagemap_scan
}

# Segments of System V it does not restore outside of a namespace.
@test "criu: shared memory of a chain" {
	[ -z "${PLAIN:-}" ] || skip "nothing is saved"
	tracks
	start freeze/shared 2 x
	saved_by "$OURS" pre-dump --track-mem
	go
	saved_by "$OURS" pre-dump --track-mem
	go
	ended_by "$OURS"
	restored_by "$OTHER"
}

@test "criu: a chain of pre-dumps and a dump" {
	tracks
	chain "$OURS"
	restored_by "$OTHER"
}

@test "criu: a chain of dumps that leave it running" {
	tracks
	start freeze/increment 5
	for _ in 1 2 3 4 5; do
		saved_by "$OURS" dump --leave-running --track-mem
		go
	done
	ended_by "$OURS"
	restored_by "$OTHER"
}

@test "criu: pre-copy, by itself and upon a chain" {
	tracks
	[ -z "${PLAIN:-}" ] || skip "nothing is saved"
	start freeze/increment 0
	ended_by "$OURS" --freeze=precopy
	[ -d "$IMAGES"/precopy-1 ] || fail "there were no rounds"
	restored_by "$OTHER"
	chain "$OURS" --freeze=precopy
	restored_by "$OTHER"
}

@test "criu: pre-copy of a tree that writes all the while" {
	tracks
	[ -z "${PLAIN:-}" ] || skip "nothing is saved"
	start compat/task written
	ended_by "$OURS" --freeze=precopy
	[ -d "$IMAGES"/precopy-1 ] || fail "there were no rounds"
	restored_by "$OTHER"
}

@test "criu: what is stored twice was freed by us" {
	tracks
	chain "$OURS"
	"$OURS" dedup -D "$IMAGES"
	restored_by "$OTHER"
	chain "$OURS" --auto-dedup
	restored_by "$OTHER"
}

freed_by_it()
{
	local all

	chain "$OURS"
	all=$(stat -c %b "$TEST_DIR"/images.1/pages-1.img)
	"$OTHER" dedup -D "$IMAGES" >/dev/null 2>&1 || fail "it does not go through the folders"
	[ "$(stat -c %b "$TEST_DIR"/images.1/pages-1.img)" -lt "$all" ] || fail "nothing is freed"
}

# It knows nothing of checksums, so they are not true any more, and that is said.
@test "criu: what is stored twice was freed by it" {
	local said status=0

	tracks
	freed_by_it
	restored_by "$OTHER"
	freed_by_it
	said=$("$OURS" restore -d -D "$IMAGES" 3>&- 2>&1) || status=$?
	[ "$status" = 1 ] && [[ $said == *"if it was changed on purpose, remove 'stasis-manifest.img'"* ]] || fail "$said"
	rm "$TEST_DIR"/images.[123]/stasis-manifest.img
	restored_by "$OURS"
}

@test "criu: its own chain" {
	[ -z "${PLAIN:-}" ] || skip "nothing is saved"
	"$OTHER" check --feature mem_dirty_track >/dev/null 2>&1 || skip "its pre-dump needs a kernel with soft-dirty bits"
	chain "$OTHER"
	restored_by "$OURS"
	chain "$OTHER" --auto-dedup
	restored_by "$OURS"
	chain "$OTHER"
	"$OURS" dedup -D "$IMAGES"
	restored_by "$OURS"
}
