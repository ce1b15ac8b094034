# What the tests of lazy restores share: the processes that bring pages to the tree of this test.

load ../lib

servers()
{
	local f pid

	grep -lsx stasis-lazy /proc/[0-9]*/comm | while read -r f; do
		pid=${f#/proc/}
		pid=${pid%/comm}
		! grep -qzsF "TEST_DIR=$TEST_DIR" /proc/"$pid"/environ || echo "$pid"
	done
}

all_there()
{
	[ -z "$(servers)" ] && ! grep -qs '^VmFlags:.* um' /proc/"$PID"/smaps
}
