# Several processes, whose memory is saved in the stop, and put back, by several threads.
load ../lib

@test "crowd: processes with much and with little memory" {
	start mm/crowd
	dump_and_restore --freeze=stop
	check
}

@test "crowd: the same, compressed" {
	start mm/crowd
	dump_and_restore --freeze=stop --compress=lz4
	check
}

@test "crowd: the same, of which only what was written since is saved" {
	start mm/crowd
	dump --freeze=stop --leave-running --track-mem
	next_images 2
	dump --freeze=stop --track-mem --prev-images-dir ../images.1
	until_true is_gone
	restore
	check
}

# The numbers of pages files are those of the processes in their order, whoever has written them first.
@test "crowd: each process has the pages file of its turn" {
	start mm/crowd
	dump --freeze=stop --leave-running
	[ -n "${PLAIN:-}" ] || for f in "$IMAGES"/pagemap-*.img; do
		"$STASIS" show "$f" | sed -n 's/.*"pages_id": *\([0-9]*\).*/\1/p'
	done >"$TEST_DIR"/ids
	[ -n "${PLAIN:-}" ] || diff <(seq 9) "$TEST_DIR"/ids || fail "pages files are numbered otherwise"
	check
}

@test "crowd: more of them than descriptors are usually allowed" {
	start mm/crowd
	(ulimit -Sn 40 && dump --freeze=stop)
	until_true is_gone
	restore
	check
}

@test "crowd: a damaged byte of a large file is found before anybody goes on" {
	[ -z "${PLAIN:-}" ] || skip "nothing is saved"
	start mm/crowd
	dump --freeze=stop
	until_true is_gone
	at=$((5 * 1024 * 1024 + 77))
	printf '\x5a\xa5' | dd of="$IMAGES"/pages-1.img bs=1 seek=$at conv=notrunc status=none
	run "$STASIS" restore -d -D "$IMAGES" -v4 -o restore.log
	[ "$status" = 1 ]
	grep -q "'pages-1.img' is read in chunks" "$IMAGES"/restore.log || fail "a task has read it alone"
	chunk=$((at / 32768 * 32768))
	[[ "$output" == "cannot restore '$IMAGES': "*"'pages-1.img' is damaged at offset $chunk: "* ]] || fail "$output"
	nothing_left
}
