load ../lib

links()
{
	find "$TEST_DIR" -name '*link_remap*' -o -name '*cr_link*'
}

@test "remap: files that have another name are found by a link that is gone afterwards" {
	start fd/remap
	dump --link-remap
	[ "$(links | wc -l)" = 3 ]
	restore
	[ -z "$(links)" ]
	check
}

@test "remap: a dump that leaves the program running takes its links back" {
	start fd/remap
	dump --link-remap --leave-running
	[ -z "$(links)" ]
	check
}

@test "remap: a dump that fails takes its links back" {
	start fd/remap
	run "$STASIS" dump -t "$PID" -D "$IMAGES" --link-remap --inject-fault images
	[ "$status" = 1 ]
	[ -z "$(links)" ]
	check
}

@test "remap: a restore that fails keeps the links for the next one" {
	start fd/remap
	dump --link-remap
	run "$STASIS" restore -d -D "$IMAGES" --inject-fault state
	[ "$status" = 1 ]
	[ "$(links | wc -l)" = 3 ]
	restore
	check
}

@test "remap: without --link-remap such a file is refused" {
	start fd/remap
	refuse "cannot dump $PID: fd 3 (regfile) of pid $PID: '$TEST_DIR/removed' was removed or replaced, but the file has other names (1); --link-remap lets the dump make a temporary one"
}
