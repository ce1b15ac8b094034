load moment.bash

# The proof of the proof: images into which a piece of another moment was put must be found out.

# Of each thread of the tree but the first ones, which wait, in hundredths of a second: what it has had of a processor.
processor_times()
{
	local p task stat

	for p in $(pids_of_tree); do
		for task in /proc/"$p"/task/*; do
			[ "${task##*/}" != "$p" ] || continue
			{ read -r stat <"$task"/stat; } 2>/dev/null || continue
			read -r -a stat <<<"${stat##*) }"
			echo "${task##*/} $((stat[11] + stat[12]))"
		done
	done
}

# have_worked TIMES: all that there were then have written a lot since, or are gone.
have_worked()
{
	local now tid time

	now=$(processor_times)
	while read -r tid time; do
		[[ ! $now =~ (^|$'\n')"$tid "([0-9]+) ]] || [ "${BASH_REMATCH[2]}" -ge $((time + 5)) ] || return 1
	done <<<"$1"
}

# found_out PIECE WHILE: the piece of an earlier dump, of a program that does this.
found_out()
{
	[ -z "${PLAIN:-}" ] || skip "there are no images"
	local said times

	start freeze/moment "$2" full "$MOMENT_SIZE"
	sleep 0.2
	dump --leave-running
	times=$(processor_times)
	until_true have_worked "$times" || fail "the program does not work"
	next_images later
	dump
	until_true is_gone
	rm -f "$IMAGES"/stasis-manifest.img
	"${BATS_TEST_DIRNAME}"/mix.py "$1" "$TEST_DIR"/images.1 "$IMAGES"
	restore
	touch "$TEST_DIR"/go.1
	until_true has_result || fail "the program does not answer"
	said=$(cat "$TEST_DIR/result" 2>&1) || true
	echo "$1: $said"
	[ "$said" != ok ] || fail "'$1' of another moment was not found out"
	[[ $said == "FAIL "*"$3"* ]] || fail "it was something else that was found"
}

# A check proves one of each sort.
only_in_soak()
{
	[ -n "${SOAK:-}" ] || skip "make soak has the time for it"
}

@test "proof: a page of one writer, older than the rest" {
	found_out first_writer none "of 'first writer'"
}

@test "proof: a page of another writer" {
	only_in_soak
	found_out second_writer none "of 'second writer'"
}

@test "proof: a page whose end is older" {
	found_out torn none "of 'first writer'"
}

@test "proof: a page that was left out" {
	found_out zeros none "of 'first writer'"
}

@test "proof: a page of memory that is disturbed" {
	found_out disturbed dontneed "of 'disturbed memory'"
}

@test "proof: a page of the heap" {
	only_in_soak
	found_out heap brk "of 'heap'"
}

@test "proof: a page of huge pages" {
	only_in_soak
	found_out huge huge "of 'huge pages'"
}

@test "proof: a page that was read from a disk" {
	only_in_soak
	found_out direct direct "of 'blocks of a disk'"
}

@test "proof: a page that came through a pipe" {
	only_in_soak
	found_out inbox pipe "of 'pages from another process'"
}

@test "proof: a page that another process wrote" {
	found_out box sibling "of 'memory that others write into'"
}

@test "proof: a page of shared anonymous memory" {
	found_out shared_anonymous none "of 'shared anonymous memory'"
}

@test "proof: a page of a memfd" {
	only_in_soak
	found_out memfd none "of 'memfd'"
}

@test "proof: a page of System V memory" {
	only_in_soak
	found_out sysv none "of 'System V memory'"
}

@test "proof: a page of the counts" {
	found_out tickets none "tickets of"
}

@test "proof: a page of the log" {
	only_in_soak
	found_out log none "in the log"
}

@test "proof: a page of the book" {
	only_in_soak
	found_out book none
}

@test "proof: registers" {
	found_out registers none
}

@test "proof: a process that is older than the other one" {
	found_out process none
}
