# shellcheck disable=SC2153 # set by the harness
load ../lib

# stored DIR: KiB of pages.
stored()
{
	cat "$1"/*pages-* | wc -c | awk '{ print int($1 / 1024) }'
}

small()
{
	local size

	size=$(stored "$1")
	[ "$size" -lt "$2" ] || fail "the pages take $size KiB: $(ls -l "$1")"
}

# Three processes of 2048 pages, less than 600 of which are different, and what else programs have.
stored_once()
{
	[ -z "${PLAIN:-}" ] || return 0
	! compgen -G "$1/pages-*" >/dev/null || fail "there are plain pages: $(ls "$1")"
	small "$1" "${2:-3300}"
	"$STASIS" show "$1" | grep -q '"version": 2' || fail "the images do not say what they are"
	"$STASIS" show --tree "$1" | grep -q ", equal pages stored once\$" || fail "the tree does not say it"
	"$STASIS" verify "$1" >/dev/null || fail "'$1' is not what its manifest says"
}

@test "once: equal pages of three processes and of shared memory are stored once" {
	start mm/once
	dump_and_restore --dedup-pages --freeze=stop
	stored_once "$IMAGES"
	check
}

@test "once: without the option they are stored as they are" {
	start mm/once
	dump_and_restore --freeze=stop
	[ -n "${PLAIN:-}" ] || [ "$(stored "$IMAGES")" -gt 24000 ] || fail "only $(stored "$IMAGES") KiB are stored"
	check
}

@test "once: compressed with zstd" {
	start mm/once
	dump_and_restore --dedup-pages --compress --freeze=stop
	stored_once "$IMAGES" 1100
	check
}

@test "once: compressed with lz4" {
	start mm/once
	dump_and_restore --compress=lz4 --dedup-pages --freeze=stop
	stored_once "$IMAGES" 1500
	check
}

@test "once: saved while it runs" {
	start mm/once
	dump_and_restore --dedup-pages --freeze=precopy
	[ ! -d "$IMAGES"/precopy-1 ] || small "$IMAGES"/precopy-1 3300
	stored_once "$IMAGES" 1500
	check
}

@test "once: a chain of dumps, each of which stores equal pages once" {
	skip_unless mem_dirty_track
	start mm/once 3
	dump --leave-running --track-mem --dedup-pages --freeze=stop
	stored_once "$IMAGES"
	for _ in 1 2; do
		go
		dump --leave-running --track-mem --dedup-pages --freeze=stop --prev-images-dir "../images.$((ROUND - 1))"
	done
	go
	# 13th parts, a third of them of a content that nobody else has.
	dump_and_restore --track-mem --dedup-pages --compress=lz4 --freeze=stop --prev-images-dir ../images.3
	check
}

@test "once: upon a dump with plain pages, out of the page cache" {
	local f

	skip_unless mem_dirty_track
	start mm/once 1
	dump --leave-running --track-mem --freeze=stop
	go
	dump --track-mem --dedup-pages --freeze=stop --prev-images-dir ../images.1
	until_true is_gone
	for f in "$TEST_DIR"/images.*/*.img; do
		[ -z "${PLAIN:-}" ] || break
		sync "$f"
		dd if="$f" iflag=nocache count=0 status=none
	done
	restore
	check
}

@test "once: all sorts of pages" {
	start mm/compress
	dump_and_restore --dedup-pages
	check
}

@test "once: pages that parent and child share stay shared" {
	start mm/cow
	dump_and_restore --dedup-pages
	check
}

@test "once: shared memory" {
	start mm/shmem
	dump_and_restore --dedup-pages
	check
}

@test "once: mapped files" {
	start mm/file
	dump_and_restore --dedup-pages --compress
	check
}

@test "once: AIO rings" {
	start mm/aio
	dump_and_restore --dedup-pages
	check
}

same_pages()
{
	local f

	for f in "$1"/pages-*; do
		cmp "$f" "$2/${f##*/}" || fail "other pages in $f"
	done
	[ "$(cd "$1" && echo pages-*)" = "$(cd "$2" && echo pages-*)" ] || fail "other files: $(ls "$2")"
	! compgen -G "$2/stasis-pages-*" >/dev/null || fail "not all are plain: $(ls "$2")"
}

@test "once: convert there and back gives the same bytes" {
	local first=$IMAGES

	[ -z "${PLAIN:-}" ] || skip "nothing to convert"
	start mm/once
	dump --leave-running --freeze=stop
	quietly "$STASIS" convert --dedup-pages "$first" "$TEST_DIR/once"
	stored_once "$TEST_DIR/once"
	quietly "$STASIS" convert --dedup-pages --compress=lz4 "$TEST_DIR/once" "$TEST_DIR/lz4"
	stored_once "$TEST_DIR/lz4" 1500
	quietly "$STASIS" convert --compress "$TEST_DIR/lz4" "$TEST_DIR/zstd"
	quietly "$STASIS" convert "$TEST_DIR/once" "$TEST_DIR/plain"
	same_pages "$first" "$TEST_DIR/plain"
	quietly "$STASIS" convert "$TEST_DIR/zstd" "$TEST_DIR/plain2"
	same_pages "$first" "$TEST_DIR/plain2"
	"$STASIS" verify "$TEST_DIR/plain2" >/dev/null || fail "they are not what their manifest says"
	check
}

@test "once: convert in place, and what it made is restored" {
	local said

	[ -z "${PLAIN:-}" ] || skip "nothing to convert"
	start mm/once
	dump --dedup-pages --freeze=stop
	until_true is_gone
	quietly "$STASIS" convert "$IMAGES"
	cp -r "$IMAGES" "$TEST_DIR/plain"
	quietly "$STASIS" convert "$IMAGES" --dedup-pages
	stored_once "$IMAGES"
	said=$("$STASIS" convert "$IMAGES" --dedup-pages --compress 2>&1) && fail "status 0"
	[ "$said" = "cannot convert '$IMAGES': the pages of 'stasis-pages-1.img' are stored once already, and cannot be found anew in place; expand them first ('stasis convert DIR'), or name another folder" ] || fail "$said"
	quietly "$STASIS" convert "$IMAGES" --compress
	quietly "$STASIS" convert "$IMAGES"
	same_pages "$TEST_DIR/plain" "$IMAGES"
	quietly "$STASIS" convert "$IMAGES" --dedup-pages --compress=lz4
	restore
	check
}

@test "once: a conversion in place that is cut off leaves a whole set" {
	local round

	[ -z "${PLAIN:-}" ] || skip "nothing to convert"
	start mm/once
	dump --freeze=stop
	until_true is_gone
	cp -r "$IMAGES" "$TEST_DIR/before"
	for round in 01 02 03 04 05 06 08 10 12 15; do
		timeout -s KILL 0."$round" "$STASIS" convert "$IMAGES" --dedup-pages || true
		quietly "$STASIS" convert "$IMAGES" "$TEST_DIR/plain"
		same_pages "$TEST_DIR/before" "$TEST_DIR/plain"
		rm -r "$TEST_DIR/plain"
		timeout -s KILL 0."$round" "$STASIS" convert "$IMAGES" || true
		quietly "$STASIS" convert "$IMAGES" "$TEST_DIR/plain"
		same_pages "$TEST_DIR/before" "$TEST_DIR/plain"
		rm -r "$TEST_DIR/plain"
		timeout -s KILL 0."$round" "$STASIS" convert "$IMAGES" --compress=lz4 || true
		quietly "$STASIS" convert "$IMAGES"
	done
	same_pages "$TEST_DIR/before" "$IMAGES"
	quietly "$STASIS" convert "$IMAGES" --dedup-pages
	restore
	check
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

@test "once: damage to a page that others lead to is found, and starts nothing" {
	local file said at=60000

	[ -z "${PLAIN:-}" ] || skip "nothing to damage"
	start mm/once
	dump --dedup-pages --freeze=stop
	until_true is_gone
	file=$IMAGES/stasis-pages-1.img
	cp "$file" "$TEST_DIR/whole"
	printf 'x' | dd of="$file" bs=1 seek=$at conv=notrunc status=none
	said=$("$STASIS" verify "$IMAGES" 2>&1) && fail "verify finds nothing"
	[[ $said = *"'stasis-pages-1.img'"*" 32768"* ]] || fail "$said"
	damaged "'stasis-pages-1.img' is damaged: the checksum of chunk "
	said=$("$STASIS" convert "$IMAGES" "$TEST_DIR/plain" 2>&1) && fail "it is converted"
	[[ $said = *"'stasis-pages-1.img' is damaged: the checksum of chunk "* ]] || fail "$said"
	# What they say of themselves, without anybody else's word for it.
	rm "$IMAGES"/stasis-manifest.img
	damaged "'stasis-pages-1.img' is damaged: the checksum of chunk "
	rm "$file"
	damaged "'pages-1.img' of 'pagemap-"
	cp "$TEST_DIR/whole" "$file"
	restore
	check
}

@test "once: a file that others lead to, and that is missing or another one, starts nothing" {
	local map

	[ -z "${PLAIN:-}" ] || skip "nothing to damage"
	start mm/once
	dump --dedup-pages --freeze=stop
	until_true is_gone
	rm "$IMAGES"/stasis-manifest.img
	map=$("$STASIS" show "$IMAGES"/stasis-pages-2.img)
	[[ $map = *'"codec": "none"'* ]] || fail "$map"
	# Plain pages of the first process beside its others do; the others lead to those.
	cp -r "$IMAGES" "$TEST_DIR/before"
	quietly "$STASIS" convert "$IMAGES" "$TEST_DIR/plain"
	mv "$IMAGES"/stasis-pages-1.img "$TEST_DIR/whole"
	cp "$TEST_DIR/plain"/pages-1.img "$IMAGES"
	damaged "'stasis-pages-2.img' cannot be read: reference 0, at offset "
	damaged "leads to 'stasis-pages-1.img', which is missing"
	cp "$IMAGES"/stasis-pages-5.img "$IMAGES"/stasis-pages-1.img
	damaged "leads to page 0 of 'stasis-pages-1.img', which is not stored there"
	cp "$TEST_DIR/whole" "$IMAGES"/stasis-pages-1.img
	restore
	check
}

@test "once: what cannot be is said: a moment" {
	start mm/once
	refuse "cannot dump $PID: --freeze=cow saves pages as they are; leave --dedup-pages out, or use --freeze=precopy" --freeze=cow -R --dedup-pages
}

@test "once: what cannot be is said: a stream" {
	local said

	start mm/once
	said=$("$STASIS" dump -t "$PID" --stream --dedup-pages -o "$TEST_DIR/dump.log" 2>&1 >"$TEST_DIR/stream") && fail "status 0"
	[ "$said" = "cannot dump $PID: a stream cannot lead back to pages that were sent before; leave --dedup-pages out, or save into a folder" ] || fail "$said"
	check
}

@test "once: what cannot be is said: pages taken out of a dump before" {
	local said

	skip_unless mem_dirty_track
	[ -z "${PLAIN:-}" ] || skip "nothing to take out"
	start mm/once 1
	dump --leave-running --track-mem --dedup-pages --freeze=stop
	go
	dump --leave-running --track-mem --dedup-pages --freeze=stop --prev-images-dir ../images.1
	said=$("$STASIS" dedup -D "$IMAGES" 2>&1) && fail "status 0"
	[[ $said = *"its pages are stored once, and none can be taken out of them; 'stasis convert' expands them" ]] || fail "$said"
	check
}
