# Our images without the files that only we have: whoever restores them has what CRIU would have, and no more.

load ../lib

without_extra()
{
	[ -z "${PLAIN:-}" ] || skip "nothing is saved"
	start "$@"
	dump
	until_true is_gone
	rm "$IMAGES"/stasis-*.img
	restore
	check
}

@test "extra: threads" { without_extra task/threads 50; }
@test "extra: a call in flight is made again" { without_extra task/inflight read "$TEST_DIR"; }
@test "extra: filters" { without_extra task/seccomp_filter; }
@test "extra: pipes" { without_extra compat/fd pipe; }
@test "extra: a tree with something of everything" { without_extra safety/rich; }
