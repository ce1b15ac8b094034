load ../lib

# Groups of this test only, below the root of hierarchies that are mounted for it alone.
mount_groups()
{
	NAME=stasis-${TEST_DIR##*.}
	V1=$TEST_DIR/pids V2=$TEST_DIR/unified FREEZER=$TEST_DIR/freezer
	mkdir "$V1" "$V2" "$FREEZER"
	mount -t cgroup -o pids none "$V1" 2>/dev/null || skip "there is no controller 'pids' of cgroup v1 here"
	mount -t cgroup -o freezer none "$FREEZER" || skip "there is no freezer of cgroup v1 here"
	mount -t cgroup2 none "$V2" || skip "there is no cgroup v2 here"
}

make_groups()
{
	local dir

	for dir in "$V1/$NAME" "$V2/$NAME"; do
		mkdir "$dir" "$dir/child" "$dir/thread" "$dir/empty"
	done
	echo threaded >"$V2/$NAME/thread/cgroup.type"
	# Whole processes do not get into a group below one that is a domain for threads.
	echo threaded >"$V2/$NAME/child/cgroup.type"
	echo threaded >"$V2/$NAME/empty/cgroup.type"
	echo 77 >"$V1/$NAME/pids.max"
	echo 5 >"$V1/$NAME/empty/pids.max"
	echo 9 >"$V2/$NAME/cgroup.max.descendants"
	chown 12:34 "$V2/$NAME/empty" "$V2/$NAME/empty/cgroup.procs"
	chmod 750 "$V2/$NAME/empty"
}

remove_groups()
{
	local dir

	for dir in "${V1:-}" "${V2:-}" "${FREEZER:-}"; do
		if [ -z "$dir" ] || ! mountpoint -q "$dir"; then continue; fi
		find "$dir" -depth -type d -path "*/$NAME*" -exec rmdir {} \; 2>/dev/null
		umount "$dir"
	done
}

teardown()
{
	local failed=${BATS_TEST_COMPLETED:-}

	[ -n "${TEST_DIR:-}" ] || return 0
	kill_all
	until_true groups_are_empty || true
	remove_groups
	[ -n "$failed" ] || [ -n "${BATS_TEST_SKIPPED:-}" ] || show_logs
	rm -rf --one-file-system "$TEST_DIR"
}

groups_are_empty()
{
	! cat "$V1/$NAME"/cgroup.procs "$V1/$NAME"/*/cgroup.procs "$FREEZER/$NAME"/cgroup.procs 2>/dev/null | grep -q .
}

# What of a hierarchy is ours, with owners, permissions and settings.
describe()
{
	(
		cd "$1" || exit
		find "$NAME"* -type d -printf '%p %m %U %G\n'
		find "$NAME"* -name pids.max -o -name cgroup.max.descendants -o -name cgroup.type | while read -r f; do
			echo "$f $(cat "$f")"
		done
	) | sort
}

start_in_groups()
{
	mount_groups
	make_groups
	start task/cgroup "$V1/$NAME" "$V2/$NAME"
}

# put_in_group FILE-SYSTEM: a plain program.
start_frozen_in()
{
	mkdir "$1/$NAME"
	start task/comm
	echo "$PID" >"$1/$NAME/cgroup.procs"
}

is_frozen()
{
	grep -q -e 'frozen 1' -e FROZEN "$1/$NAME"/cgroup.events "$1/$NAME"/freezer.state 2>/dev/null
}

freeze()
{
	if [ -e "$1/$NAME/freezer.state" ]; then echo FROZEN >"$1/$NAME/freezer.state"; else echo 1 >"$1/$NAME/cgroup.freeze"; fi
	until_true is_frozen "$1"
}

thaw()
{
	if [ -e "$1/$NAME/freezer.state" ]; then echo THAWED >"$1/$NAME/freezer.state"; else echo 0 >"$1/$NAME/cgroup.freeze"; fi
}

remove_own()
{
	find "$1" -depth -type d -path "*/$NAME*" -exec rmdir {} \;
}

@test "cgroup: processes, threads, settings and owners, in groups that are gone" {
	start_in_groups
	was=$(describe "$V1" && describe "$V2")
	dump
	until_true is_gone
	remove_own "$V1"
	remove_own "$V2"
	restore
	is=$(describe "$V1" && describe "$V2")
	[ "$is" = "$was" ] || fail "$(diff <(echo "$was") <(echo "$is"))"
	check
}

@test "cgroup: groups that are there stay as they are, unless it is asked for" {
	start_in_groups
	dump
	until_true is_gone
	echo 66 >"$V1/$NAME/pids.max"
	restore
	[ "$(cat "$V1/$NAME/pids.max")" = 66 ]
	dump
	until_true is_gone
	echo 55 >"$V1/$NAME/pids.max"
	restore --manage-cgroups=full
	[ "$(cat "$V1/$NAME/pids.max")" = 66 ]
	dump
	until_true is_gone
	echo 55 >"$V1/$NAME/pids.max"
	restore --manage-cgroups=none
	[ "$(cat "$V1/$NAME/pids.max")" = 55 ]
	check
}

@test "cgroup: modes that cannot be had are refused, and nothing is left" {
	start_in_groups
	dump
	until_true is_gone
	run "$STASIS" restore -d -D "$IMAGES" --manage-cgroups=strict
	[ "$status" = 1 ]
	[[ $output == *"the cgroup '/$NAME' of "*" is there already; remove it, or use --manage-cgroups=soft" ]]
	remove_own "$V1"
	remove_own "$V2"
	for mode in none props; do
		run "$STASIS" restore -d -D "$IMAGES" --manage-cgroups="$mode"
		[ "$status" = 1 ]
		[[ $output == *"there is no cgroup '/$NAME' of "*"; --manage-cgroups=soft makes those that are missing" ]]
	done
	for step in cgroups tree threads limits; do
		run "$STASIS" restore -d -D "$IMAGES" --inject-fault "$step"
		[ "$status" = 1 ]
		nothing_left
		[ -z "$(describe "$V1" 2>/dev/null; describe "$V2" 2>/dev/null)" ] || fail "left after '$step': $(describe "$V1")"
	done
	restore --manage-cgroups=strict
	check
}

@test "cgroup: another root takes the place of the old one" {
	start_in_groups
	dump
	until_true is_gone
	remove_own "$V1"
	remove_own "$V2"
	restore --cgroup-root "pids:/$NAME-new/deep" --cgroup-root "/$NAME-2"
	grep -qx "[0-9]*:pids:/$NAME-new/deep" /proc/"$PID"/cgroup
	grep -qx "0::/$NAME-2" /proc/"$PID"/cgroup
	[ "$(cat "$V1/$NAME-new/deep/pids.max")" = 77 ]
	[ "$(cat "$V1/$NAME-new/deep/empty/pids.max")" = 5 ]
}

@test "cgroup: nothing is said of groups that stasis is in" {
	start task/comm
	dump_and_restore
	[ ! -e "$IMAGES/cgroup.img" ]
	check
}

@test "cgroup: nothing is made of groups that are ignored" {
	mount_groups
	mkdir "$V1/$NAME"
	start task/comm
	echo "$PID" >"$V1/$NAME/cgroup.procs"
	dump_and_restore --manage-cgroups=ignore
	[ ! -e "$IMAGES/cgroup.img" ]
	grep -qx "[0-9]*:pids:/" /proc/"$PID"/cgroup
	check
}

@test "cgroup: settings that the user names, and those of one controller only" {
	start_in_groups
	dump -R --cgroup-props '"pids":
 - "strategy": "replace"
 - "properties": ["notify_on_release"]'
	"$STASIS" show "$IMAGES/cgroup.img" >"$TEST_DIR/shown"
	grep -q '"notify_on_release"' "$TEST_DIR/shown"
	if grep -q '"pids.max"' "$TEST_DIR/shown"; then fail "pids.max is saved"; fi
	next_images 2
	dump -R --cgroup-dump-controller pids
	"$STASIS" show "$IMAGES/cgroup.img" >"$TEST_DIR/shown"
	grep -q '"pids.max"' "$TEST_DIR/shown"
	if grep -q '"cgroup.max.descendants"' "$TEST_DIR/shown"; then fail "those of others are saved"; fi
	run "$STASIS" dump -t "$PID" -D "$IMAGES" -R --cgroup-props '"pids": - "strategy": "mend"'
	[ "$status" = 1 ]
	[[ $output == *'line 1 of the cgroup properties: "merge" or "replace" is expected; '* ]]
	check
}

# frozen_tree FILE-SYSTEM
frozen_tree()
{
	start_frozen_in "$1"
	freeze "$1"
	run "$STASIS" dump -t "$PID" -D "$IMAGES"
	[ "$status" = 1 ]
	[[ $output == "cannot dump $PID: pid $PID is in a frozen cgroup ('/$NAME' of '"*"'); thaw it, or use --freeze-cgroup with its directory: it is frozen again afterwards" ]]
	dump -R --freeze-cgroup "$1/$NAME"
	is_frozen "$1"
	dump --freeze-cgroup "$1/$NAME"
	until_true is_gone
	is_frozen "$1"
	thaw "$1"
	rmdir "$1/$NAME"
	restore
	until_true is_frozen "$1"
	thaw "$1"
	check
}

# frozen_for_a_moment FILE-SYSTEM
frozen_for_a_moment()
{
	start_frozen_in "$1"
	for step in stop mappings pages complete; do
		run "$STASIS" dump -t "$PID" -D "$IMAGES" --freeze-cgroup "$1/$NAME" --inject-fault "$step"
		[ "$status" = 1 ]
		if is_frozen "$1"; then fail "still frozen after '$step'"; fi
	done
	dump_and_restore --freeze-cgroup "$1/$NAME"
	if is_frozen "$1"; then fail "still frozen"; fi
	check
}

@test "cgroup: a tree that is frozen by version 2 is refused, or saved and frozen again" {
	mount_groups
	frozen_tree "$V2"
}

@test "cgroup: likewise by the freezer of version 1" {
	mount_groups
	frozen_tree "$FREEZER"
}

@test "cgroup: one of version 2 that is frozen for the stop runs again, whatever happens" {
	mount_groups
	frozen_for_a_moment "$V2"
}

@test "cgroup: likewise the freezer of version 1" {
	mount_groups
	frozen_for_a_moment "$FREEZER"
}
