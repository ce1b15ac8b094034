load ../lib

# What lies in the test's folder but for the harness's own files.
own_files()
{
	(cd "$TEST_DIR" && find . -not -name 'images.*' -not -path './images.*/*' -not -name 'ready*' -not -name 'go.*' \
		-not -name result -not -name out -not -name err -not -name . | sort)
}

@test "ghost: contents, holes, owner, times; occupied, long and several names; directories, nodes" {
	start fd/ghost
	dump
	before=$(own_files)
	restore
	[ "$(own_files)" = "$before" ] || fail "left behind: $(own_files)"
	check
}

@test "ghost: extents from the file system or data by data come to the same" {
	start fd/ghost
	dump --no-ghost-fiemap
	restore
	check
}

@test "ghost: on a file system in memory" {
	VICTIM_DIR=$(mktemp -d /dev/shm/stasis-test.XXXXXX)
	export VICTIM_DIR
	start fd/ghost
	dump_and_restore
	check
	rm -r "$VICTIM_DIR"
}

@test "ghost: a file that is larger than --ghost-limit is refused" {
	start fd/ghost large
	refuse "cannot dump $PID: fd 3 (regfile) of pid $PID: '$TEST_DIR/large (deleted)' has no name and holds 2097152 bytes, more than the 1048576 of --ghost-limit; raise --ghost-limit to store its contents in the images"
}

@test "ghost: --ghost-limit allows a larger one" {
	start fd/ghost large
	dump_and_restore --ghost-limit 2M
	check
}

@test "ghost: a restore that fails leaves no file behind" {
	start fd/ghost
	dump
	before=$(own_files)
	run "$STASIS" restore -d -D "$IMAGES" --inject-fault make
	[ "$status" = 1 ]
	[ "$(own_files)" = "$before" ]
	restore
	check
}
