load ../lib

# Groups of this test only, below the root of hierarchies that are mounted for it alone.
make_groups()
{
	NAME=stasis-${TEST_DIR##*.}
	V1=$TEST_DIR/pids V2=$TEST_DIR/unified
	mkdir "$V1" "$V2"
	mount -t cgroup -o pids none "$V1" 2>/dev/null || skip "there is no controller 'pids' of cgroup v1 here"
	mount -t cgroup2 none "$V2" || skip "there is no cgroup v2 here"
	GROUPS_OF=()
	for dir in "$V1/$NAME/root" "$V2/$NAME/root"; do
		mkdir -p "$dir/below" "$dir/child"
		GROUPS_OF+=("$dir" "$dir/below" "$dir/child")
	done
	echo 77 >"$V1/$NAME/root/below/pids.max"
}

remove_groups()
{
	local dir

	for dir in "${V1:-}" "${V2:-}"; do
		if [ -z "$dir" ] || ! mountpoint -q "$dir"; then continue; fi
		find "$dir" -depth -type d -path "*/$NAME*" -exec rmdir {} \; 2>/dev/null || true
	done
}

groups_left()
{
	find "$V1" "$V2" -type d -name "$NAME"
}

teardown()
{
	local failed=${BATS_TEST_COMPLETED:-}

	[ -n "${TEST_DIR:-}" ] || return 0
	kill_all
	for _ in 1 2 3 4 5 6 7 8 9; do
		remove_groups
		[ -z "${V2:-}" ] || [ -z "$(groups_left)" ] || sleep 0.1
	done
	umount "${V1:-}" "${V2:-}" 2>/dev/null || true
	[ -n "$failed" ] || [ -n "${BATS_TEST_SKIPPED:-}" ] || show_logs
	rm -rf --one-file-system "$TEST_DIR"
}

@test "cgroup: a namespace that begins above the tree, in groups that are gone" {
	make_groups
	start ns/cgroup "${GROUPS_OF[@]}"
	dump
	until_true is_gone
	remove_groups
	[ -z "$(groups_left)" ]
	restore
	grep -q "/$NAME/root/below$" "/proc/$PID/cgroup" || fail "$(cat "/proc/$PID/cgroup")"
	next_images 2
	dump_and_restore
	check
}

@test "cgroup: a namespace that begins where we are" {
	start ns/cgroup
	dump_and_restore
	check
}

@test "cgroup: a namespace whose tree runs on, and without its groups" {
	make_groups
	start ns/cgroup "${GROUPS_OF[@]}"
	dump --leave-running
	runs "$PID"
	rm -r "$IMAGES"
	next_images 2
	dump --manage-cgroups=ignore
	until_true is_gone
	restore
	grep "/$NAME" "/proc/$PID/cgroup" && fail "it is in a group"
	[ "$(readlink "/proc/$PID/ns/cgroup")" != "$(readlink /proc/self/ns/cgroup)" ] || fail "it has no namespace"
}

@test "cgroup: a namespace at another place" {
	make_groups
	start ns/cgroup "${GROUPS_OF[@]}"
	dump
	until_true is_gone
	remove_groups
	run timeout 60 "$STASIS" restore -d -D "$IMAGES" --cgroup-root "/$NAME-2"
	[ "$status" = 0 ] || fail "$output"
	grep -q "/$NAME-2/below$" "/proc/$PID/cgroup" || fail "$(cat "/proc/$PID/cgroup")"
	check
}

@test "cgroup: a tree above the root of its namespace is refused" {
	make_groups
	start ns/cgroup "${GROUPS_OF[@]}"
	echo "$PID" >"$V2/$NAME/cgroup.procs"
	said=$("$STASIS" dump -t "$PID" -D "$IMAGES" 2>&1) && fail "dumped"
	[ "$said" = "cannot dump $PID: task/cgroup of thread $PID of pid $PID: the cgroup of pid $PID (cgroup v2) is not below the root of its namespace; move it, or use --manage-cgroups=ignore" ] || fail "$said"
	echo "$PID" >"$V2/$NAME/root/below/cgroup.procs"
	check
}

@test "cgroup: a restore that fails leaves no group and no namespace behind" {
	local step

	make_groups
	start ns/cgroup "${GROUPS_OF[@]}"
	dump
	until_true is_gone
	remove_groups
	for step in make cgroups tree finish; do
		run timeout 60 "$STASIS" restore -d -D "$IMAGES" --inject-fault "$step"
		[ "$status" = 1 ] || fail "$output"
		[ -z "$(groups_left)" ] || fail "after '$step': $(groups_left)"
		nothing_left
	done
	restore
	check
}
