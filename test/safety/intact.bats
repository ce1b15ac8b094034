# The manifest: 'stasis verify', and restores of what is no longer what was written. Every file damaged in turn: damaged.bats.

load ../lib

# said STATUS SENTENCE COMMAND...: the sentence is a pattern.
said()
{
	local status=0 wanted=$1 sentence=$2 said

	shift 2
	said=$("$@" 3>&- 2>&1) || status=$?
	[ "$status" = "$wanted" ] || fail "'${*:2:1}' ended with $status and said: $said"
	# shellcheck disable=SC2053 # a pattern
	[[ $said == $sentence ]] || fail "'${*:2:1}' said: $said"
}

# saved PROGRAM...: it is in the images, and gone.
saved()
{
	[ -z "${PLAIN:-}" ] || skip "nothing is saved"
	start "$@"
	dump
	until_true is_gone
}

# flip FILE OFFSET: one bit.
flip()
{
	local byte

	byte=$(od -An -tu1 -j "$2" -N1 "$1")
	# shellcheck disable=SC2059 # a format is what is made here
	printf "\\x$(printf %x $((byte ^ 16)))" | dd of="$1" bs=1 seek="$2" conv=notrunc status=none
}

@test "intact: verify counts what it has read" {
	saved safety/rich
	local files bytes

	files=$(find "$IMAGES" -name '*.img' ! -name stasis-manifest.img -printf '%s\n' | wc -l)
	bytes=$(find "$IMAGES" -name '*.img' ! -name stasis-manifest.img -printf '%s\n' | awk '{ n += $1 } END { print n }')
	said 0 "$files files, $bytes bytes, 1 folder: all as they were written" "$STASIS" verify "$IMAGES"
	restore
	check
}

@test "intact: what there is nothing to hold against" {
	saved safety/rich
	rm "$IMAGES"/stasis-manifest.img
	said 1 "cannot verify '$IMAGES': there is no 'stasis-manifest.img' (it was written by CRIU or an older stasis), so there is nothing to hold its files against" \
		"$STASIS" verify "$IMAGES"
	said 1 "cannot verify '$TEST_DIR/none': open the directory: No such file or directory" \
		"$STASIS" verify "$TEST_DIR/none"
	restore
	check
}

# damaged_pages: every file of them, in several places, and whole again.
damaged_pages()
{
	local file at size chunk part command

	while read -r size file; do
		for at in 0 $((size / 2)) $((size - 1)); do
			flip "$file" "$at"
			chunk=$((at / 32768 * 32768))
			part=$((size - chunk < 32768 ? size - chunk : 32768))
			for command in "restore -d -D" verify; do
				# shellcheck disable=SC2086 # words
				said 1 "cannot ${command%% *} '$IMAGES': *'${file##*/}' is damaged at offset $chunk: the $part bytes from there are not those that were written; if it was changed on purpose, remove 'stasis-manifest.img'" \
					"$STASIS" $command "$IMAGES"
			done
			nothing_left
			flip "$file" "$at"
		done
	done < <(find "$IMAGES" -name 'pages-*.img' -size +0 -printf '%s %p\n')
}

@test "intact: pages of a process" {
	saved mm/anon
	damaged_pages
	restore
	check
}

@test "intact: pages of shared memory" {
	saved mm/shmem
	damaged_pages
	restore
	check
}

@test "intact: pages that a child takes over from its parent" {
	saved mm/cow
	damaged_pages
	restore
	check
}

@test "intact: a dump into a folder that holds another" {
	saved safety/rich
	rm "$TEST_DIR"/ready.*
	start mm/anon
	dump
	until_true is_gone
	# Page maps and pages of the earlier one may still lie there.
	"$STASIS" verify "$IMAGES" >/dev/null
	[ "$("$STASIS" show "$IMAGES"/stasis-manifest.img | grep -c '"name": "pages-')" = 1 ]
	restore
	check
}

@test "intact: a chain of folders" {
	[ -z "${PLAIN:-}" ] || skip "nothing is saved"
	start mm/anon
	dump --freeze=precopy
	until_true is_gone
	[ -e "$IMAGES"/parent ] || skip "written pages cannot be told from others here"
	[[ $("$STASIS" verify "$IMAGES") == *" folders: all as they were written" ]] || fail "verify"
	local first=$IMAGES/parent

	while [ -e "$first/parent" ]; do first=$first/parent; done
	flip "$first"/pages-1.img 5
	said 1 "cannot verify '$IMAGES': '*parent': 'pages-1.img' is damaged at offset 0: *" "$STASIS" verify "$IMAGES"
	flip "$first"/pages-1.img 5
	# The same files, but of another dump.
	mv "$first"/stasis-manifest.img "$TEST_DIR"/first
	cp "$IMAGES"/stasis-manifest.img "$first"/stasis-manifest.img
	said 1 "cannot restore '$IMAGES': *parent' is not what it was when the next dump was made on top of it: it holds another dump" \
		"$STASIS" restore -d -D "$IMAGES"
	nothing_left
	cp "$TEST_DIR"/first "$first"/stasis-manifest.img
	ln -s "$(readlink -f "$IMAGES")" "$(readlink -f "$first")"/parent
	said 1 "cannot verify '$IMAGES': '*' leads back to where it came from" "$STASIS" verify "$IMAGES"
	rm "$(readlink -f "$first")"/parent
	restore
	check
}
