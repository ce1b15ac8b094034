load ../lazy

# lazy_restore [OPTIONS OF THE DUMP]: of a program that looks at all it has while its pages come.
lazy_restore()
{
	start mm/lazy 48
	dump "$@"
	until_true is_gone
	restore --lazy
}

@test "lazy: threads, children, moves and system calls meet every page as it was" {
	lazy_restore
	check
}

@test "lazy: the same of compressed pages, and of those that are stored once" {
	lazy_restore --compress=lz4
	check
}

@test "lazy: the same of pages that are stored once" {
	lazy_restore --dedup-pages
	check
}

@test "lazy: the same of a chain of folders" {
	start mm/lazy 48
	dump --track-mem --leave-running
	next_images 2
	dump --track-mem --prev-images-dir ../images.1
	until_true is_gone
	restore --lazy
	check
}

@test "lazy: nothing is left when all pages are there" {
	start mm/lazy 32 idle
	dump
	restore --lazy
	until_true all_there || fail "pages are still outstanding: $(servers)"
	[ -z "$(find /proc/"$PID"/fd -lname '*userfaultfd*')" ] || fail "the program has a userfaultfd"
	check
}

@test "lazy: a dump waits until all pages are there" {
	start mm/lazy 128 idle
	dump
	restore --lazy
	next_images 2
	dump
	until_true is_gone
	restore
	check
}

@test "lazy: what a child shares with its parent stays shared" {
	start mm/cow
	dump
	restore --lazy
	check
}

@test "lazy: without -d, and a dump with --track-mem is refused" {
	local said

	start mm/lazy 16 idle
	dump
	said=$("$STASIS" restore --lazy --track-mem -d -D "$IMAGES" 2>&1 3>&-) && fail "it was not refused"
	[ "$said" = "cannot restore '$IMAGES': --lazy and --track-mem exclude each other: memory can be watched for one purpose only; the first dump with --track-mem begins to count" ] || fail "$said"
	"$STASIS" restore --lazy -D "$IMAGES" -v4 -o restore.log 3>&- &
	until_true runs "$PID"
	check
	wait $!
}

@test "lazy: a restore that fails at its end leaves nobody behind who would bring pages" {
	local step

	start mm/lazy 16 idle
	dump
	until_true is_gone
	for step in lazy state finish network; do
		"$STASIS" restore --lazy -d -D "$IMAGES" --inject-fault "$step" 3>&- >/dev/null 2>&1 &&
			fail "it did not fail"
		until_true all_there || fail "still there: $(servers)"
		is_gone || fail "the program runs"
	done
	restore --lazy
	check
}
