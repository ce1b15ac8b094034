# restore --track-mem: the first dump after a restore is an increment upon the images that it came from.
load ../lib

tracks()
{
	skip_unless mem_dirty_track
	[ -z "${PLAIN:-}" ] || skip "nothing is saved"
}

written()
{
	sed -n 's/.*"pages_written": "\?\([0-9]*\)"\?,\?/\1/p' <("$STASIS" show "$IMAGES"/stats-dump)
}

# few MOST: no more pages were saved.
few()
{
	[ "$(written)" -le "$1" ] || fail "$(written) pages were saved"
}

# all LEAST
all()
{
	[ "$(written)" -ge "$1" ] || fail "only $(written) pages were saved"
}

keeper()
{
	sed -n 's/.*"keeper": \([0-9]*\).*/\1/p' <("$STASIS" show /run/stasis/tracking-"$PID")
}

not_tracked()
{
	[ ! -e /run/stasis/tracking-"$PID" ] || fail "something of it is still tracked"
	! grep -qs ' uw' /proc/"$PID"/smaps || fail "its memory is still protected"
}

# from_images [DUMP-OPTIONS]: saved, gone, started again and tracked; ON leads to those images.
from_images()
{
	dump "$@"
	until_true is_gone || fail "pid $PID still runs after the dump"
	restore --track-mem
	ON=(--track-mem --prev-images-dir "../${IMAGES##*/}")
	next_images "$((++FOLDER))"
}

# upon [DUMP-OPTIONS]: an increment, and the program runs on.
upon()
{
	dump --leave-running "${ON[@]}" "$@"
}

next_upon()
{
	ON=(--track-mem --prev-images-dir "../${IMAGES##*/}")
	next_images "$((++FOLDER))"
}

# The program goes on to its next round, and images stay where they are.
carry_on()
{
	touch "$TEST_DIR/go.$ROUND"
	ROUND=$((ROUND + 1))
	wait_ready
}

# ended: as if the program had crashed.
ended()
{
	# shellcheck disable=SC2046 # a list of numbers
	kill -KILL "$PID" $(cat /proc/"$PID"/task/*/children)
	until_true is_gone || fail "the program does not end"
}

setup_folder()
{
	FOLDER=1
}

# Two processes, and what the restore itself has written in them.
SLACK=60

@test "restored: what was not written since the restore is not saved" {
	tracks
	setup_folder
	start freeze/restored 1
	from_images
	upon
	few "$SLACK"
	carry_on
	next_upon
	upon
	few $((24 + SLACK))
	ended
	restore
	check
}

@test "restored: a chain goes on over several restores" {
	tracks
	setup_folder
	start freeze/restored 6
	from_images
	for _ in 1 2; do
		carry_on
		upon
		few $((24 + SLACK))
		next_upon
	done
	carry_on
	from_images "${ON[@]}"
	carry_on
	upon
	few $((24 + SLACK))
	next_upon
	carry_on
	quietly "$STASIS" pre-dump -t "$PID" -D "$IMAGES" "${ON[@]}"
	few $((24 + SLACK))
	next_upon
	carry_on
	from_images "${ON[@]}" --freeze=precopy
	upon
	few "$SLACK"
	"$STASIS" verify "$IMAGES" >"$TEST_DIR"/verify || fail "$(cat "$TEST_DIR"/verify)"
	ended
	restore
	check
}

@test "restored: images that are compressed" {
	tracks
	setup_folder
	start freeze/restored 2
	from_images --compress
	carry_on
	upon --compress=lz4
	few $((24 + SLACK))
	next_upon
	carry_on
	upon
	few $((24 + SLACK))
	ended
	restore
	check
}

@test "restored: memory that is treated in many ways, in a chain" {
	tracks
	setup_folder
	start freeze/increment 7
	for _ in 1 2 3 4 5; do carry_on; done
	from_images
	carry_on
	upon
	next_upon
	carry_on
	from_images "${ON[@]}"
	upon
	few "$((SLACK + 20))"
	ended
	restore
	check
}

# of PROGRAM [ARGUMENTS]: saved, restored, saved again at once upon that, and restored from there.
of()
{
	echo "$*:"
	rm -rf "$TEST_DIR"/{result,ready.*,go.*,images.*}
	ROUND=1
	FOLDER=1
	next_images 1
	start "$@"
	from_images
	dump "${ON[@]}"
	until_true is_gone || fail "pid $PID still runs after the dump"
	restore
	check
}

@test "restored: what the kernel writes into memory of its own accord" {
	tracks
	of task/robust_list
	of task/threads
	of mm/file
	of mm/aio
	of mm/grow
	of mm/cow
	of mm/advice
	of mm/vdso
	of mm/shmem
}

@test "restored: guard regions" {
	tracks
	of mm/guard
}

@test "restored: when the keeper was killed, all counts as written" {
	tracks
	setup_folder
	start freeze/restored 1
	from_images
	kill -KILL "$(keeper)"
	carry_on
	upon
	all 4000
	ended
	restore
	check
}

@test "restored: images that it does not come from are not taken for those" {
	tracks
	setup_folder
	start freeze/restored 2
	dump --leave-running
	carry_on
	next_upon
	from_images
	carry_on
	"$STASIS" dump -t "$PID" -D "$IMAGES" -v2 -o dump.log --track-mem --prev-images-dir ../images.1 2>&1
	grep -q "are not those that pages were tracked since" "$IMAGES"/dump.log || fail "it said nothing"
	until_true is_gone
	restore
	check
}

@test "restored: untrack leaves nothing" {
	local had

	tracks
	setup_folder
	start freeze/restored 1
	from_images
	[ -z "${STASIS_LACKS:-}" ] && { grep -q ' uw' /proc/"$PID"/smaps || fail "nothing is protected"; }
	had=$(keeper)
	runs "$had" || fail "there is no keeper"
	"$STASIS" untrack -t "$PID"
	! runs "$had" || fail "the keeper is still there"
	not_tracked
	carry_on
	upon
	all 4000
	check
}

@test "restored: the program has no descriptor more, and the keeper none but what it keeps" {
	local before had its

	tracks
	setup_folder
	start freeze/restored 0
	before=$(ls /proc/"$PID"/fd)
	from_images
	[ "$(ls /proc/"$PID"/fd)" = "$before" ] || fail "its descriptors are $(ls -l /proc/"$PID"/fd)"
	had=$(keeper)
	# Three of /dev/null, one for each process, and the one that it waits for.
	its=(/proc/"$had"/fd/*)
	[ "${#its[@]}" -le 6 ] || fail "the keeper has $(ls -l /proc/"$had"/fd)"
	! grep -q stasis-arena /proc/"$had"/maps || fail "the keeper has the plans"
	check
	keeper_is_gone() { ! runs "$had"; }
	until_true keeper_is_gone || fail "the keeper is still there"
	not_tracked
}

nothing_is_left()
{
	nothing_left && [ ! -e /run/stasis/tracking-"$PID" ]
}

@test "restored: a restore that fails leaves nothing" {
	local step

	tracks
	setup_folder
	start freeze/restored 1
	dump
	until_true is_gone
	for step in memory protect files state late checksums "post-restore scripts" last finish track commit; do
		! "$STASIS" restore -d -D "$IMAGES" --track-mem --inject-fault "$step" >"$TEST_DIR"/said 2>&1 3>&- ||
			fail "it did not fail at '$step'"
		grep -q "a fault was asked for" "$TEST_DIR"/said || fail "$(cat "$TEST_DIR"/said)"
		nothing_is_left || fail "after '$step' something is left: $(ls /run/stasis)"
	done
	restore --track-mem
	carry_on
	check
}

# It may be on its way to its end.
whole_or_gone()
{
	! runs "$PID" || runs "$(keeper 2>/dev/null)"
}

@test "restored: a restore that is killed leaves nothing, or all of it" {
	local delay

	tracks
	skip_if_emulated
	setup_folder
	start freeze/restored 1
	dump
	until_true is_gone
	for delay in $(seq 0.002 0.002 0.060); do
		"$STASIS" restore -d -D "$IMAGES" --track-mem >>"$TEST_DIR"/out 2>&1 3>&- &
		sleep "$delay"
		kill -KILL $! 2>/dev/null || true
		wait $! || true
		sleep 0.1
		if runs "$PID"; then
			until_true whole_or_gone || fail "it runs without a keeper, when killed after $delay s"
			ended || true # it may be gone by now
		fi
		until_true nothing_is_left || fail "after $delay s something is left: $(ls /run/stasis)"
	done
	restore --track-mem
	carry_on
	check
}

# says SENTENCE: the restore goes well, that is all it says, and nothing is tracked.
says()
{
	local said status=0

	said=$("$STASIS" restore -d -D "$IMAGES" --track-mem 3>&- 2>&1) || status=$?
	[ "$status" = 0 ] || fail "it ended with $status and said: $said"
	[[ $said == *"$1" && $said != *$'\n'* ]] || fail "it said: $said"
	not_tracked
}

@test "restored: where nothing tells, that is said, and the first dump saves all" {
	[ -z "${PLAIN:-}" ] || skip "nothing is saved"
	setup_folder
	start freeze/restored 1
	export STASIS_LACKS="uffd_wp_async soft_dirty"
	dump
	until_true is_gone
	says "written pages cannot be told from others here, so the first dump will save all pages; 'stasis check' says what is missing"
	carry_on
	next_upon
	upon
	all 4000
	ended
	restore
	check
}

@test "restored: images without a manifest are not tracked" {
	tracks
	setup_folder
	start freeze/restored 1
	dump
	until_true is_gone
	rm "$IMAGES"/stasis-manifest.img
	says "nothing in the images tells them from others, so the first dump will save all pages; those of stasis have a manifest"
	carry_on
	next_upon
	upon
	all 4000
	ended
	restore
	check
}

@test "restored: a stream is no folder to stand on" {
	local said status=0

	said=$("$STASIS" restore -d --stream --track-mem </dev/null 3>&- 2>&1) || status=$?
	[ "$status" = 1 ] || fail "it ended with $status"
	[ "$said" = "options '--stream' and '--track-mem' exclude each other: there is no folder that the next dump could stand on" ] ||
		fail "it said: $said"
}
