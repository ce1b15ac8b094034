load ../lib

# Whatever the images of a chain are called, each leads to the one before.
pre_dump()
{
	quietly "$STASIS" pre-dump -t "$PID" -D "$IMAGES" -v4 -o dump.log "$@"
}

before()
{
	printf '%s\n' --prev-images-dir "../images.$((ROUND - 1))"
}

written()
{
	sed -n 's/.*"pages_written": "\?\([0-9]*\)"\?,\?/\1/p' < <("$STASIS" show "$1"/stats-dump)
}

not_tracked()
{
	[ ! -e /run/stasis/tracking-"$PID" ] || fail "something of it is still tracked"
}

tracks()
{
	skip_unless mem_dirty_track
}

@test "increment: a chain of pre-dumps and a dump" {
	tracks
	start freeze/increment 3
	pre_dump
	go
	for _ in 1 2; do
		# shellcheck disable=SC2046 # two words
		pre_dump $(before)
		go
	done
	# shellcheck disable=SC2046
	dump_and_restore --track-mem $(before)
	not_tracked
	check
}

@test "increment: what was saved, and not written since, is not saved again" {
	tracks
	[ -z "${PLAIN:-}" ] || skip "nothing is saved"
	start freeze/increment 1
	pre_dump
	go
	# shellcheck disable=SC2046
	pre_dump $(before)
	[ "$(written "$IMAGES")" -gt 64 ] || fail "only $(written "$IMAGES") pages were saved"
	next_images more
	pre_dump --prev-images-dir ../images.2
	[ "$(written "$IMAGES")" -lt 20 ] || fail "$(written "$IMAGES") pages were saved again"
	check
}

@test "increment: a chain of dumps that leave it running" {
	tracks
	start freeze/increment 5
	dump --leave-running --track-mem
	go
	for _ in 1 2 3 4; do
		# shellcheck disable=SC2046
		dump --leave-running --track-mem $(before)
		go
	done
	# shellcheck disable=SC2046
	dump_and_restore --track-mem $(before)
	check
}

# ended: as if the program had crashed a moment after the dump.
ended()
{
	# shellcheck disable=SC2046 # a list of numbers
	kill -KILL "$PID" $(cat /proc/"$PID"/task/*/children)
	until_true is_gone || fail "the program does not end"
}

@test "increment: a dump that leaves it running has all, the first as well as the next" {
	tracks
	start freeze/increment 2
	dump --leave-running --track-mem
	ended
	restore
	go
	dump --leave-running --track-mem
	go
	# shellcheck disable=SC2046
	dump --leave-running --track-mem $(before)
	[ "$(written "$IMAGES")" -lt "${EMULATED:+2}500" ] || fail "$(written "$IMAGES") pages were saved"
	ended
	restore
	check
}

@test "increment: pre-copy upon a chain" {
	tracks
	start freeze/increment 3
	pre_dump
	go
	# shellcheck disable=SC2046
	dump --leave-running --freeze=precopy --track-mem $(before)
	go
	# shellcheck disable=SC2046
	pre_dump $(before)
	go
	# shellcheck disable=SC2046
	dump_and_restore --freeze=precopy --track-mem $(before)
	check
}

@test "increment: the room of what is stored anew is freed" {
	local all

	tracks
	start freeze/increment 3
	pre_dump
	all=$(stat -c %b "$IMAGES"/pages-1.img)
	go
	# shellcheck disable=SC2046
	pre_dump --auto-dedup $(before)
	[ "$(stat -c %b "$TEST_DIR"/images.1/pages-1.img)" -lt "$all" ] || fail "nothing is freed"
	go
	# shellcheck disable=SC2046
	pre_dump $(before)
	"$STASIS" dedup -D "$IMAGES"
	"$STASIS" verify "$IMAGES" || fail "checksums are not those of what is left"
	go
	# shellcheck disable=SC2046
	dump_and_restore --track-mem --auto-dedup $(before)
	check
}

# says SENTENCE COMMAND...: it fails, and says just this.
says()
{
	local said status=0

	said=$("${@:2}" 3>&- 2>&1) || status=$?
	[ "$status" = 1 ] || fail "'${*:2}' ended with $status"
	[ "$said" = "$1" ] || fail "it said: $said"
}

@test "increment: images whose pages were freed are not restored by themselves" {
	tracks
	[ -z "${PLAIN:-}" ] || skip "nothing is saved"
	start freeze/increment 1
	dump --leave-running --track-mem
	go
	# shellcheck disable=SC2046
	dump --track-mem --auto-dedup $(before)
	until_true is_gone
	says "cannot restore '$TEST_DIR/images.1': dedup has taken pages out of it that a later dump has anew; restore the later one" \
		"$STASIS" restore -d -D "$TEST_DIR"/images.1
	quietly "$STASIS" convert --compress "$TEST_DIR"/images.1 "$TEST_DIR"/other
	says "cannot restore '$TEST_DIR/other': dedup has taken pages out of it that a later dump has anew; restore the later one" \
		"$STASIS" restore -d -D "$TEST_DIR"/other
	restore
	check
}

used()
{
	du -B512 -c "$TEST_DIR"/images.*/*pages-* | tail -n1
}

@test "increment: what cannot be freed is left alone, and said" {
	local map all

	tracks
	[ -z "${PLAIN:-}" ] || skip "nothing is saved"
	start freeze/increment 2
	pre_dump
	go
	# shellcheck disable=SC2046
	pre_dump --compress $(before)
	go
	all=$(used)
	# shellcheck disable=SC2046
	says "cannot dump $PID: 'pagemap-$PID.img': 'parent': its pages are compressed, and none can be taken out of them; 'stasis convert' expands them" \
		"$STASIS" dump -t "$PID" -D "$IMAGES" --track-mem --auto-dedup $(before)
	runs "$PID" || fail "the program has ended"
	rm -rf "${IMAGES:?}"/*
	# shellcheck disable=SC2046
	dump --track-mem $(before)
	until_true is_gone
	map=pagemap-$PID.img
	says "cannot dedup '$IMAGES': '$map': 'parent': its pages are compressed, and none can be taken out of them; 'stasis convert' expands them" \
		"$STASIS" dedup -D "$IMAGES"
	quietly "$STASIS" convert "$TEST_DIR"/images.2
	mv "$TEST_DIR"/images.1/pages-1.img "$TEST_DIR"/aside
	says "cannot dedup '$IMAGES': '$map': 'parent': 'pages-1.img' of '$map' is missing" "$STASIS" dedup -D "$IMAGES"
	mv "$TEST_DIR"/aside "$TEST_DIR"/images.1/pages-1.img
	mv "$TEST_DIR"/images.1 "$TEST_DIR"/aside
	says "cannot dedup '$IMAGES': '$map': 'parent': open 'parent': No such file or directory" "$STASIS" dedup -D "$IMAGES"
	mv "$TEST_DIR"/aside "$TEST_DIR"/images.1
	ln -s . "$TEST_DIR"/images.1/parent
	all=$(used)
	says "cannot dedup '$IMAGES': '$map': 'parent' leads back to where it came from" "$STASIS" dedup -D "$IMAGES"
	[ "$(used)" = "$all" ] || fail "something was freed"
	rm "$TEST_DIR"/images.1/parent
	restore
	check
}

@test "increment: images that are not those before are not taken for them" {
	tracks
	start freeze/increment 2
	pre_dump
	go
	pre_dump
	go
	# The count has begun anew with images.2; by it, pages of images.1 look as if they were not written since.
	"$STASIS" dump -t "$PID" -D "$IMAGES" -v2 -o dump.log --track-mem --prev-images-dir ../images.1 2>&1
	grep -q "are not those that pages were tracked since" "$IMAGES"/dump.log || fail "it said nothing"
	until_true is_gone
	restore
	check
}

@test "increment: when the keeper is killed, all pages count as written" {
	local keeper

	tracks
	start freeze/increment 2
	pre_dump
	keeper=$("$STASIS" show /run/stasis/tracking-"$PID" | sed -n 's/.*"keeper": \([0-9]*\).*/\1/p')
	kill -KILL "$keeper"
	go
	# shellcheck disable=SC2046
	pre_dump $(before)
	[ "$(written "$IMAGES")" -gt 500 ] || fail "only $(written "$IMAGES") pages were saved"
	go
	# shellcheck disable=SC2046
	dump_and_restore --track-mem $(before)
	check
}

@test "increment: a dump that fails takes the count with it" {
	tracks
	start freeze/increment 2
	pre_dump
	go
	# shellcheck disable=SC2046
	! dump --leave-running --track-mem $(before) --inject-fault pages >/dev/null
	go
	# shellcheck disable=SC2046
	dump_and_restore --track-mem --prev-images-dir ../images.1
	check
}

@test "increment: untrack leaves nothing, and without tracking it says so" {
	local said status=0

	tracks
	start freeze/increment 1
	pre_dump
	"$STASIS" untrack -t "$PID"
	not_tracked
	! grep -q ' uw' /proc/"$PID"/smaps || fail "its memory is still protected"
	said=$("$STASIS" untrack -t "$PID" 3>&- 2>&1) || status=$?
	[ "$status" = 1 ] && [ "$said" = "cannot untrack $PID: nothing of it is tracked" ] || fail "$said"
	go
	check
}

@test "increment: the keeper ends with the program" {
	local keeper

	tracks
	start freeze/increment 1
	pre_dump
	keeper=$("$STASIS" show /run/stasis/tracking-"$PID" | sed -n 's/.*"keeper": \([0-9]*\).*/\1/p')
	runs "$keeper" || fail "there is no keeper"
	go
	check
	keeper_is_gone() { ! runs "$keeper"; }
	until_true keeper_is_gone || fail "the keeper is still there"
	not_tracked
}
