# Shared memory is saved in rounds and in increments: what the folder before holds, whoever wrote it, is not stored again.
load ../lib

tracks()
{
	skip_unless mem_dirty_track
	[ -z "${PLAIN:-}" ] || skip "nothing is saved"
}

# shared_pages NAME FOLDER: written or skipped_parent.
shared_pages()
{
	sed -n "s/.*\"shpages_$1\": \"\?\([0-9]*\)\"\?,\?/\1/p" <("$STASIS" show "$2"/stats-dump)
}

# few MOST LEAST [FOLDER]: so many pages were saved at most, and so many left to the folder before at least.
few()
{
	local folder=${3:-$IMAGES} written skipped

	written=$(shared_pages written "$folder")
	skipped=$(shared_pages skipped_parent "$folder")
	[ "$written" -le "$1" ] || fail "$written shared pages were saved"
	[ "$skipped" -ge "$2" ] || fail "only $skipped shared pages were left to the folder before"
}

# What one round changes, and all that is not.
CHANGED=1200
ALL=10000

before()
{
	printf '%s\n' --prev-images-dir "../images.$((ROUND - 1))"
}

pre_dump()
{
	quietly "$STASIS" pre-dump -t "$PID" -D "$IMAGES" -v4 -o dump.log "$@"
}

# ended: as if the program had crashed a moment after the dump.
ended()
{
	# shellcheck disable=SC2046 # a list of numbers
	kill -KILL "$PID" $(cat /proc/"$PID"/task/*/children)
	until_true is_gone || fail "the program does not end"
}

# Of nothing that the rounds have saved more than a little is saved in the stop.
last_stop_is_short()
{
	local last

	last=$(find "$IMAGES" -maxdepth 1 -name '*pages-*' -print0 | du -ck --files0-from=- | tail -n1 | cut -f1)
	[ "$last" -le 6000 ] || fail "$last KiB were saved in the last stop"
	few 11000 6000
}

@test "shared: the last stop has what was not in the rounds" {
	tracks
	start freeze/shared 1
	go
	dump_and_restore --freeze=precopy
	last_stop_is_short
	check
}

@test "shared: pre-copy, compressed" {
	tracks
	start freeze/shared 1
	go
	dump_and_restore --freeze=precopy --compress=lz4
	last_stop_is_short
	"$STASIS" verify "$IMAGES" || fail "checksums are not right"
	check
}

@test "shared: pre-copy, with equal pages stored once" {
	tracks
	start freeze/shared 1
	go
	dump_and_restore --freeze=precopy --dedup-pages
	last_stop_is_short
	check
}

@test "shared: pre-copy, converted afterwards" {
	tracks
	start freeze/shared 1
	go
	dump --freeze=precopy
	until_true is_gone
	quietly "$STASIS" convert --compress=zstd "$IMAGES" "$TEST_DIR"/other
	IMAGES=$TEST_DIR/other
	restore
	check
}

@test "shared: what is saved behind the stop has its shared memory before" {
	tracks
	start freeze/shared 2
	go
	dump --leave-running --freeze=cow
	last_stop_is_short
	[ -e "$IMAGES"/precopy-1/inventory.img ] || fail "there is no round"
	go
	ended
	IMAGES=$TEST_DIR/images.2
	rm -f "$TEST_DIR"/go.2 "$TEST_DIR"/ready.3
	restore
	ROUND=2
	go
	check
}

@test "shared: a chain of pre-dumps and a dump" {
	tracks
	start freeze/shared 5
	pre_dump
	go
	for _ in 1 2 3 4; do
		# shellcheck disable=SC2046 # two words
		pre_dump $(before)
		[ "$(shared_pages written "$IMAGES")" -le "$((CHANGED + 512))" ] ||
			fail "$(shared_pages written "$IMAGES") shared pages were saved"
		go
	done
	# shellcheck disable=SC2046
	dump_and_restore --track-mem $(before)
	check
}

from_keeper()
{
	grep -q "what is held of shared objects is known from the keeper" "$IMAGES"/dump.log || fail "the images were read"
}

@test "shared: a chain of dumps, each of which can be restored" {
	tracks
	start freeze/shared 5
	dump --leave-running --track-mem
	go
	for _ in 1 2 3 4; do
		# shellcheck disable=SC2046
		dump --leave-running --track-mem $(before)
		few "$CHANGED" 7000
		from_keeper
		go
	done
	# shellcheck disable=SC2046
	dump_and_restore --track-mem $(before)
	few "$CHANGED" 7000
	"$STASIS" verify "$IMAGES" || fail "checksums are not right"
	check
}

@test "shared: what was not written is not stored at all" {
	tracks
	start freeze/shared 0
	dump --leave-running --track-mem
	next_images again
	dump --leave-running --track-mem --prev-images-dir ../images.1
	few 20 "$ALL"
	ended
	restore
	check
}

@test "shared: the keeper holds nothing of it" {
	local keeper

	tracks
	start freeze/shared 1
	go
	dump --leave-running --track-mem --freeze=precopy
	keeper=$(sed -n 's/.*"keeper": \([0-9]*\).*/\1/p' <("$STASIS" show /run/stasis/tracking-"$PID"))
	runs "$keeper" || fail "there is no keeper"
	! grep -E " r--s .*(/dev/zero|memfd:shared|/SYSV)" /proc/"$keeper"/maps || fail "the keeper has mapped it"
	check
}

@test "shared: when the keeper was killed, the images say the same" {
	local keeper

	tracks
	start freeze/shared 2
	dump --leave-running --track-mem
	keeper=$(sed -n 's/.*"keeper": \([0-9]*\).*/\1/p' <("$STASIS" show /run/stasis/tracking-"$PID"))
	kill -KILL "$keeper"
	go
	# shellcheck disable=SC2046
	dump --leave-running --track-mem $(before)
	few "$CHANGED" 7000
	! from_keeper >/dev/null || fail "there was a keeper"
	go
	# shellcheck disable=SC2046
	dump_and_restore --track-mem $(before)
	few "$CHANGED" 7000
	from_keeper
	check
}

@test "shared: increments on both sides of a restore" {
	tracks
	start freeze/shared 4
	dump --leave-running --track-mem
	go
	# shellcheck disable=SC2046
	dump --track-mem --freeze=precopy $(before)
	until_true is_gone
	restore --track-mem
	go
	# shellcheck disable=SC2046
	dump --leave-running --track-mem $(before)
	few "$CHANGED" 7000
	go
	# shellcheck disable=SC2046
	dump --track-mem --compress $(before)
	few "$CHANGED" 7000
	until_true is_gone
	restore
	go
	check
}

@test "shared: an increment upon compressed images, and upon such with equal pages stored once" {
	tracks
	start freeze/shared 3
	dump --leave-running --track-mem --compress=lz4
	go
	# shellcheck disable=SC2046
	dump --leave-running --track-mem --dedup-pages $(before)
	few "$CHANGED" 7000
	go
	# shellcheck disable=SC2046
	dump --leave-running --track-mem --dedup-pages --compress $(before)
	few "$CHANGED" 7000
	go
	# shellcheck disable=SC2046
	dump_and_restore --track-mem $(before)
	few "$CHANGED" 7000
	check
}

@test "shared: the room of what is stored anew is freed" {
	local all

	tracks
	start freeze/shared 3
	dump --leave-running --track-mem --freeze=stop
	all=$(du -ck "$IMAGES"/pages-*.img | tail -n1)
	go
	# shellcheck disable=SC2046
	dump --leave-running --track-mem --auto-dedup $(before)
	[ "$(du -ck "$TEST_DIR"/images.1/pages-*.img | tail -n1 | cut -f1)" -lt "$((${all%%[!0-9]*} - 100))" ] || fail "nothing is freed"
	go
	# shellcheck disable=SC2046
	dump --leave-running --track-mem $(before)
	"$STASIS" dedup -D "$IMAGES"
	"$STASIS" verify "$IMAGES" || fail "checksums are not those of what is left"
	go
	# shellcheck disable=SC2046
	dump_and_restore --track-mem --auto-dedup $(before)
	check
}

@test "shared: images that are not those before are no danger" {
	tracks
	start freeze/shared 3
	dump --leave-running --track-mem
	go
	dump --leave-running --track-mem --prev-images-dir ../images.1
	go
	# By it, pages were not written since, if anybody asked when.
	"$STASIS" dump -t "$PID" -D "$IMAGES" -v2 -o dump.log --track-mem --prev-images-dir ../images.1 -R
	few "$((2 * CHANGED))" 3000
	ended
	restore
	go
	check
}

@test "shared: a folder before that cannot be read costs time and nothing else" {
	tracks
	start freeze/shared 1
	dump --leave-running --track-mem
	go
	cp -r "$TEST_DIR"/images.1 "$TEST_DIR"/whole
	for f in "$TEST_DIR"/images.1/pagemap-shmem-*; do
		: >"$f"
	done
	# shellcheck disable=SC2046
	"$STASIS" dump -t "$PID" -D "$IMAGES" -o dump.log --track-mem $(before)
	grep -q "^.*all of shared memory .* is saved: 'parent': .* is cut short" "$IMAGES"/dump.log || fail "$(cat "$IMAGES"/dump.log)"
	until_true is_gone
	# Private memory stands on it.
	rm -r "$TEST_DIR"/images.1
	mv "$TEST_DIR"/whole "$TEST_DIR"/images.1
	restore
	check
}

increments()
{
	[ "$(grep -c "^increment-.*frozen" "$TEST_DIR"/said)" -ge "$1" ]
}

@test "shared: continuous checkpoints" {
	local i

	tracks
	start freeze/shared 3
	mkdir "$TEST_DIR"/saved
	"$STASIS" protect "$PID" -D "$TEST_DIR"/saved --every 20ms --keep 3 >"$TEST_DIR"/said 2>&1 3>&- &
	for i in 1 2 3; do
		until_true increments "$((4 * i))" || fail "$(tail "$TEST_DIR"/said)"
		go
	done
	until_true increments 16 || fail "$(tail "$TEST_DIR"/said)"
	ended
	wait %1 || true
	"$STASIS" verify "$TEST_DIR"/saved || fail "checksums are not right"
	IMAGES=$TEST_DIR/saved
	restore
	check
}
