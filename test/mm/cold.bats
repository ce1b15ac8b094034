load ../lib

# Nothing of the images is in the page cache.
make_cold()
{
	local f

	[ -z "${PLAIN:-}" ] || skip "no images"
	for f in "$IMAGES"/*; do
		sync "$f"
		dd if="$f" iflag=nocache count=0 status=none
	done
	dd if="$IMAGES"/pages-1.img of=/dev/null iflag=direct bs=4096 count=1 status=none ||
		skip "this file system has no O_DIRECT"
	[ "$(stat -f -c %T "$IMAGES")" != tmpfs ] || skip "a tmpfs is nothing but page cache"
}

was_passed()
{
	grep -q "'pages-$1.img' is read past the page cache" "$IMAGES"/restore.log || fail "pages-$1.img went through the page cache"
}

# carry_over_cold PROGRAM
carry_over_cold()
{
	start "$1"
	dump
	until_true is_gone
	make_cold
	restore
}

@test "cold: all sorts of pages" {
	carry_over_cold mm/compress
	was_passed 1
	check
}

@test "cold: pages that parent and child share stay shared" {
	carry_over_cold mm/cow
	was_passed 1
	check
}

@test "cold: shared memory, and pages of many processes" {
	carry_over_cold mm/shmem
	check
}

@test "cold: a parent folder of an incremental dump" {
	start mm/compress
	dump --leave-running --track-mem
	go_on=$IMAGES
	next_images 2
	dump --track-mem --prev-images-dir ../images.1
	until_true is_gone
	make_cold
	IMAGES=$go_on make_cold
	restore
	was_passed 1
	check
}

@test "cold: a damaged byte is found before the process goes on" {
	start mm/compress
	dump
	until_true is_gone
	size=$(stat -c %s "$IMAGES"/pages-1.img)
	at=$((size / 2 / 4096 * 4096 + 77))
	printf '\x5a\xa5' | dd of="$IMAGES"/pages-1.img bs=1 seek=$at conv=notrunc status=none
	make_cold
	run "$STASIS" restore -d -D "$IMAGES" -v4 -o restore.log
	[ "$status" = 1 ]
	was_passed 1
	chunk=$((at / 32768 * 32768))
	[[ "$output" == "cannot restore '$IMAGES': "*"'pages-1.img' is damaged at offset $chunk: "* ]] || fail "$output"
	nothing_left
}
