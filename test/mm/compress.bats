load ../lib

has_files()
{
	[ -e "$1" ]
}

compressed_files()
{
	! has_files "$IMAGES"/pages-* || fail "there are plain pages: $(ls "$IMAGES")"
	has_files "$IMAGES"/stasis-pages-* || fail "there are no compressed pages: $(ls "$IMAGES")"
}

# As after --compress=$1: no plain pages, and the codec is named.
compressed()
{
	[ -z "${PLAIN:-}" ] || return 0
	compressed_files
	"$STASIS" show "$IMAGES" | grep -q "\"codec\": \"$1\"" || fail "the images do not say '$1'"
	"$STASIS" show --tree "$IMAGES" | grep -q ", compressed with $1\$" || fail "the tree does not say '$1'"
}

# round PROGRAM CODEC [LEVEL]
round()
{
	start "$1"
	dump_and_restore --compress="$2${3:+:$3}"
	compressed "$2"
	check
}


@test "compress: all sorts of pages, as they are" {
	start mm/compress
	dump_and_restore
	check
}

@test "compress: all sorts of pages, zstd" {
	round mm/compress zstd
}

@test "compress: all sorts of pages, lz4" {
	round mm/compress lz4
}

@test "compress: all sorts of pages, zstd at a high level" {
	round mm/compress zstd 12
}

@test "compress: all sorts of pages, lz4 at its highest level" {
	round mm/compress lz4 12
}

@test "compress: private memory, sparse and with all sorts of rights" {
	round mm/anon zstd
}

@test "compress: pages that parent and child share stay shared" {
	round mm/cow lz4
}

@test "compress: shared memory" {
	round mm/shmem zstd
}

@test "compress: mapped files" {
	round mm/file lz4
}

@test "compress: AIO rings" {
	round mm/aio zstd
}

@test "compress: without a codec it is zstd" {
	start mm/compress
	dump_and_restore --compress
	compressed zstd
	check
}

@test "compress: a dump into the folder of an earlier one of the other sort" {
	start mm/compress
	dump --leave-running --compress=lz4
	dump --leave-running
	! has_files "$IMAGES"/stasis-pages-* || fail "there are compressed pages: $(ls "$IMAGES")"
	dump --leave-running --compress=lz4
	compressed lz4
	check
}

@test "compress: pages of zeros are stored in no mode" {
	local zero apparent real

	[ -z "${PLAIN:-}" ] || skip "nothing is stored"
	start mm/compress
	zero=$("$STASIS" dump -t "$PID" -D "$IMAGES" -o dump.log -R --display-stats | sed -n 's/^Memory pages all zero: \([0-9]*\) .*/\1/p')
	# 3 MiB of zeros, twice, and a third of what is mixed.
	[ "$zero" -gt 1536 ] || fail "only $zero pages were zero"
	apparent=$(du -k --apparent-size -c "$IMAGES"/pages-* | tail -n1 | cut -f1)
	real=$(du -k -c "$IMAGES"/pages-* | tail -n1 | cut -f1)
	[ $((apparent - real)) -gt 6000 ] || fail "$(ls -ls "$IMAGES")"
	check
}

# refuses VALUE SENTENCE
refuses()
{
	local said

	said=$("$STASIS" dump -t 1 --compress="$1" 2>&1) && fail "status 0"
	[ "${said%%$'\n'*}" = "option '--compress': $2" ] || fail "$said"
}

@test "compress: what cannot be is said" {
	refuses gzip "'gzip' is no way to compress: zstd and lz4 are, with :LEVEL or without"
	refuses lz4hc "'lz4hc' is no way to compress: zstd and lz4 are, with :LEVEL or without"
	refuses "" "'' is no way to compress: zstd and lz4 are, with :LEVEL or without"
	refuses zstd:23 "'23' is not a level of zstd: 1 to 22 are"
	refuses zstd: "'' is not a level of zstd: 1 to 22 are"
	refuses lz4:fast "'fast' is not a level of lz4: 1 to 12 are"
}

# The manifest of a folder is true, and of all that it stands on.
verified()
{
	"$STASIS" verify "$1" >/dev/null || fail "'$1' is not what its manifest says"
}

# What all images but the pages hold, and their names.
others()
{
	(cd "$1" && find . -name '*pages-*' -o -name '*.log' -o -name 'stats-*' -o -name 'stasis-manifest.img' -prune -o -type f -print0 | sort -z | xargs -0 sha256sum)
}

@test "compress: convert there and back gives the same bytes" {
	local first=$IMAGES

	[ -z "${PLAIN:-}" ] || skip "nothing to convert"
	start mm/compress
	dump --leave-running
	quietly "$STASIS" convert --compress=lz4 "$first" "$TEST_DIR/lz4"
	quietly "$STASIS" convert --compress=zstd:3 "$TEST_DIR/lz4" "$TEST_DIR/zstd"
	quietly "$STASIS" convert "$TEST_DIR/zstd" "$TEST_DIR/plain"
	verified "$first"
	verified "$TEST_DIR/lz4"
	verified "$TEST_DIR/plain"
	IMAGES=$TEST_DIR/lz4 compressed lz4
	IMAGES=$TEST_DIR/zstd compressed zstd
	for f in "$first"/pages-*; do
		cmp "$f" "$TEST_DIR/plain/${f##*/}"
	done
	[ "$(others "$first")" = "$(others "$TEST_DIR/plain")" ] || fail "other images have changed"
	[ "$(others "$first")" = "$(others "$TEST_DIR/zstd")" ] || fail "other images have changed"
	check
}

@test "compress: convert in place, and what it made is restored" {
	[ -z "${PLAIN:-}" ] || skip "nothing to convert"
	start mm/compress
	dump
	until_true is_gone
	cp -r "$IMAGES" "$TEST_DIR/before"
	quietly "$STASIS" convert -D "$IMAGES" --compress
	compressed zstd
	quietly "$STASIS" convert "$IMAGES" --compress=lz4
	compressed lz4
	quietly "$STASIS" convert "$IMAGES"
	diff -r -x stasis-manifest.img "$IMAGES" "$TEST_DIR/before"
	verified "$IMAGES"
	quietly "$STASIS" convert "$IMAGES" --compress=lz4
	verified "$IMAGES"
	restore
	check
}

@test "compress: convert refuses what is no complete dump" {
	local said

	mkdir "$TEST_DIR/none"
	said=$("$STASIS" convert "$TEST_DIR/none" 2>&1) && fail "status 0"
	[ "$said" = "cannot convert '$TEST_DIR/none': 'inventory.img' is missing; the folder holds no complete dump" ] || fail "$said"
}

# damaged SENTENCE: the restore says this of the images, ends with 1, and nothing is left of it.
damaged()
{
	local said status=0

	said=$("$STASIS" restore -d -D "$IMAGES" -o restore.log 2>&1) || status=$?
	[ "$status" = 1 ] || fail "status $status: $said"
	[ "$(wc -l <<<"$said")" = 1 ] || fail "more than a sentence: $said"
	[[ $said = *"$1"* ]] || fail "$said"
	nothing_left
}

# The file with most in it.
largest()
{
	stat -c '%s %n' "$IMAGES"/stasis-pages-* | sort -rn | head -n1 | cut -d' ' -f2
}

@test "compress: damaged chunks, and files that are cut off, start nothing" {
	local file name size byte at

	[ -z "${PLAIN:-}" ] || skip "nothing to damage"
	start mm/compress
	dump --compress
	until_true is_gone
	file=$(largest)
	name=${file##*/}
	size=$(stat -c %s "$file")
	cp "$file" "$TEST_DIR/whole"
	# What they say of themselves, without anybody else's word for it.
	rm "$IMAGES"/stasis-manifest.img
	for at in 5000 $((size / 2)) $((size / 4)); do
		byte=$(od -An -tu1 -j "$at" -N1 "$TEST_DIR/whole")
		printf '%b' "\\x$(printf %x $((byte ^ 255)))" | dd of="$file" bs=1 seek="$at" conv=notrunc status=none
		damaged "'$name' is damaged: the checksum of chunk "
		cp "$TEST_DIR/whole" "$file"
	done
	truncate -s $((size - 1)) "$file"
	damaged "'$name' is cut short: it does not say where its index is"
	truncate -s $((size / 2)) "$file"
	damaged "'$name' is cut short: it does not say where its index is"
	: >"$file"
	damaged "'$name' is cut short: no room for its magic"
	rm "$file"
	damaged "'${name#stasis-}' of 'pagemap-"
	cp "$TEST_DIR/whole" "$file"
	restore
	check
}

@test "compress: a conversion in place that is cut off leaves a whole set" {
	local round f

	[ -z "${PLAIN:-}" ] || skip "nothing to convert"
	start mm/compress
	dump --leave-running
	cp -r "$IMAGES" "$TEST_DIR/before"
	for round in 01 02 03 04 05 06 08 10 12 15; do
		timeout -s KILL 0."$round" "$STASIS" convert "$IMAGES" --compress || true
		quietly "$STASIS" convert "$IMAGES" "$TEST_DIR/plain"
		for f in "$TEST_DIR/before"/pages-*; do
			cmp "$f" "$TEST_DIR/plain/${f##*/}"
		done
		rm -r "$TEST_DIR/plain"
		timeout -s KILL 0."$round" "$STASIS" convert "$IMAGES" || true
	done
	quietly "$STASIS" convert "$IMAGES"
	verified "$IMAGES"
	diff -r -x stasis-manifest.img "$IMAGES" "$TEST_DIR/before"
	check
}

@test "compress: a dump in rounds, and its conversions" {
	local folder

	[ -z "${PLAIN:-}" ] || skip "nothing to convert"
	start mm/compress
	dump --leave-running --freeze=precopy --compress=lz4
	dump --freeze=precopy --compress=lz4
	until_true is_gone
	compressed lz4
	[ -d "$IMAGES/precopy-1" ] || skip "no rounds are to be had here"
	IMAGES=$IMAGES/precopy-1 compressed_files
	quietly "$STASIS" convert "$IMAGES" "$TEST_DIR/plain"
	for folder in "$TEST_DIR/plain" "$TEST_DIR/plain/precopy-1"; do
		! has_files "$folder"/stasis-pages-* || fail "$(ls "$folder")"
		has_files "$folder"/pages-* || fail "$(ls "$folder")"
	done
	quietly "$STASIS" convert --compress=zstd "$TEST_DIR/plain"
	! has_files "$TEST_DIR/plain/precopy-1"/pages-* || fail "$(ls "$TEST_DIR/plain/precopy-1")"
	verified "$TEST_DIR/plain"
	rm -r "$IMAGES"
	IMAGES=$TEST_DIR/plain restore
	check
}
