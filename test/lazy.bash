# What the tests of lazy restores share: the processes that bring pages to the tree of this test.

load ../lib

servers()
{
	local f pid

	for f in $(grep -lsx stasis-lazy /proc/[0-9]*/comm); do
		pid=${f#/proc/}
		pid=${pid%/comm}
		grep -qzsF "TEST_DIR=$TEST_DIR" /proc/"$pid"/environ && echo "$pid"
	done
	return 0
}

all_there()
{
	[ -z "$(servers)" ] && ! grep -qs '^VmFlags:.* um' /proc/"$PID"/smaps
}
