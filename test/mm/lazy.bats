load ../lib

# A process of ours that brings pages to this test's tree, or nothing.
servers()
{
	local f

	for f in /run/stasis/lazy-*; do
		[ -e "$f" ] || continue
		env -u TEST_DIR grep -qzsF "TEST_DIR=$TEST_DIR" "/proc/${f##*-}/environ" && echo "${f##*-}"
	done
	return 0
}

all_there()
{
	[ -z "$(servers)" ] && ! grep -qs '^VmFlags:.* um' /proc/"$PID"/smaps
}

@test "lazy: threads, children, moves and system calls meet every page as it was" {
	start mm/lazy 64
	dump
	restore --lazy
	check
}

@test "lazy: nothing is left when all pages are there" {
	start mm/lazy 32 idle
	dump
	restore --lazy
	until_true all_there || fail "pages are still outstanding: $(servers)"
	[ "$(pgrep -c -f "restore.*$IMAGES" || true)" = 0 ] || fail "a process is left"
	check
}
