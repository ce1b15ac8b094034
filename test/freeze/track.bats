# How written pages are told: where the kernel does not mark them for a userfaultfd, by soft-dirty bits, and else not at
# all. Other kernels are told that they are like that. With STASIS_LACKS=uffd_wp_async all tests of increments and of
# pre-copy take the way of soft-dirty bits; see test/vm/check.sh.
load moment.bash

by_soft_dirty()
{
	skip_unless soft_dirty
	skip_unless page_frames
	export STASIS_LACKS=uffd_wp_async
	# shellcheck disable=SC2034 # of moment.bash
	FREEZE_WAYS=(--freeze=precopy pre=2 restored)
}

pre_dump()
{
	quietly "$STASIS" pre-dump -t "${1:-$PID}" -D "$IMAGES" -v4 -o dump.log
}

# says SENTENCE COMMAND...: it succeeds, and that is all it says.
says()
{
	local sentence=$1 said status=0

	shift
	said=$("$@" 3>&- 2>&1) || status=$?
	[ "$status" = 0 ] || fail "it ended with $status and said: $said"
	[[ $said == *"$sentence" && $said != *$'\n'* ]] || fail "it said: $said"
}

@test "soft-dirty: all at once" {
	by_soft_dirty
	disturbed all idle
}

@test "soft-dirty: reads straight from a disk" {
	by_soft_dirty
	disturbed direct idle
}

@test "soft-dirty: what was not written is left out" {
	[ -z "${PLAIN:-}" ] || skip "nothing is saved"
	by_soft_dirty
	start mm/anon
	pre_dump
	next_images 2
	dump --leave-running --track-mem --prev-images-dir ../images.1
	grep -q '"pages_skipped_parent": "\?[1-9]' < <("$STASIS" show "$IMAGES"/stats-dump) || fail "all was saved"
	check
}

@test "soft-dirty: somebody else clears the bits" {
	[ -z "${PLAIN:-}" ] || skip "nothing is saved"
	by_soft_dirty
	start freeze/increment 1
	pre_dump
	go
	echo 4 >/proc/"$PID"/clear_refs
	says "pid $PID: somebody else has cleared its soft-dirty bits, so all of its pages are saved" \
		"$STASIS" dump -t "$PID" -D "$IMAGES" --track-mem --prev-images-dir ../images.1
	until_true is_gone
	restore
	check
}

# The child is of both trees, and there is one set of bits.
@test "soft-dirty: a dump of a part takes the count from the whole" {
	[ -z "${PLAIN:-}" ] || skip "nothing is saved"
	local child

	by_soft_dirty
	start freeze/increment 4
	for _ in 1 2 3 4; do go; done
	pre_dump
	[ -e /run/stasis/tracking-"$PID" ] || fail "it is not tracked"
	child=$(cat /proc/"$PID"/task/"$PID"/children)
	next_images child
	pre_dump "${child// /}"
	[ ! -e /run/stasis/tracking-"$PID" ] || fail "the whole is still tracked"
	check
}

nothing_tells()
{
	[ -z "${PLAIN:-}" ] || skip "nothing is saved"
	export STASIS_LACKS="uffd_wp_async soft_dirty"
}

@test "track: where nothing tells, a pre-dump is refused" {
	local said status=0

	nothing_tells
	start mm/anon
	said=$("$STASIS" pre-dump -t "$PID" -D "$IMAGES" 3>&- 2>&1) || status=$?
	[ "$status" = 1 ] || fail "it ended with $status and said: $said"
	[[ $said == *"written pages cannot be told from others here, so nothing is gained; 'stasis check' says what is missing" ]] ||
		fail "it said: $said"
	check
}

@test "track: where nothing tells, all is saved in the stop" {
	nothing_tells
	start mm/anon
	says "written pages cannot be told from others here, so all are saved while the tree stands still; 'stasis check' says what is missing" \
		"$STASIS" dump -t "$PID" -D "$IMAGES" --freeze=precopy
	until_true is_gone
	restore
	check
}

@test "track: check says what is missing" {
	local said

	nothing_tells
	said=$("$STASIS" check 3>&- 2>&1) || true
	[[ $said == *"mem_dirty_track"*"missing: every dump saves all of the memory, while the programs stand still; pre-dumps are refused"* ]] ||
		fail "it said: $said"
}
