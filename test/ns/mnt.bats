load ../lib

# The folder of this test is mounted inside, too: that is how the program is spoken to.
there()
{
	[ -z "${PLAIN:-}" ] || return 0
	dump --external "mnt[$TEST_DIR]:folder" "$@"
	until_true is_gone || fail "pid $PID still runs after the dump"
}

and_back()
{
	restore --root "$TEST_DIR/root" --external "mnt[folder]:$TEST_DIR" "$@"
	runs "$PID" || fail "pid $PID does not run after the restore: $(cat "$TEST_DIR/result" 2>&1)"
}

@test "mnt: a root of its own, a tmpfs, a part of the root" {
	start ns/mnt basic
	there
	and_back
	check
}

@test "mnt: what lies in memory" {
	start ns/mnt contents
	there
	and_back
	check
}

@test "mnt: file systems of the kernel, whole and in parts" {
	start ns/mnt system
	there
	and_back
	check
}

@test "mnt: open, mapped and removed files that are covered" {
	start ns/mnt files
	there
	and_back
	check
}

@test "mnt: peers, masters and slaves" {
	start ns/mnt groups
	there
	and_back
	check
}

# container CASE: the program is the first process of a new pid namespace, PID its number here.
container()
{
	unshare --pid --ipc --uts --fork true 2>/dev/null || skip "no pid namespace can be made"
	launch unshare --pid --ipc --uts --fork "$BUILD/test/ns/mnt" "$@"
	wait_ready
	PID=$(tr -d ' ' <"/proc/$PID/task/$PID/children")
}

back_in_container()
{
	and_back --pidfile "$TEST_DIR/pid" "$@"
}

@test "mnt: a container with its own processes" {
	container system
	there
	restore --root "$TEST_DIR/root" --external "mnt[folder]:$TEST_DIR" --pidfile pid
	PID=$(cat "$IMAGES/pid")
	check
}

@test "mnt: sockets, pipes, watches, terminals and devices" {
	start ns/mnt objects
	there
	and_back
	check
}

@test "mnt: files that have lost the name by which they were opened" {
	start ns/mnt links
	there --link-remap
	and_back --link-remap
	[ -z "$(find "$TEST_DIR/root" -name 'link_remap*')" ] || fail "$(ls "$TEST_DIR/root")"
	check
}

@test "mnt: a dump that leaves the tree running" {
	start ns/mnt links
	dump --external "mnt[$TEST_DIR]:folder" --link-remap --leave-running
	check
}

@test "mnt: twice, as a stream, compressed" {
	start ns/mnt files
	there
	and_back
	next_images 2
	there --compress --dedup-pages
	and_back
	"$STASIS" dump -t "$PID" --external "mnt[$TEST_DIR]:folder" --stream >"$TEST_DIR/stream"
	until_true is_gone
	"$STASIS" restore --stream -d -D "$IMAGES" --root "$TEST_DIR/root" --external "mnt[folder]:$TEST_DIR" <"$TEST_DIR/stream"
	check
}

# A round of its own for each of several programs in a test.
again()
{
	kill_all
	rm -rf "$TEST_DIR"/{ready,go,result}* "$TEST_DIR/root"
	start ns/mnt "$@"
}

# fails_with SENTENCE [OPTIONS]: so does the restore, and leaves nothing behind.
fails_with()
{
	local sentence=$1 said status=0

	shift
	said=$("$STASIS" restore -d -D "$IMAGES" "$@" 2>&1) || status=$?
	[ "$status" = 1 ] || fail "it ended with $status"
	[ "$said" = "cannot restore '$IMAGES': $sentence" ] || fail "$said"
	nothing_left
}

# Where TEST_DIR is in its file system.
there_in()
{
	local root at

	root=$(findmnt -no FSROOT -T "$TEST_DIR")
	at=$(findmnt -no TARGET -T "$TEST_DIR")
	echo "${root%/}${TEST_DIR#"${at%/}"}"
}

@test "mnt: what cannot be carried is refused" {
	start ns/mnt basic
	refuse "cannot dump $PID: the mnt namespace of pid $PID: the mount '$TEST_DIR' ($(findmnt -no FSTYPE -T "$TEST_DIR") of '$(findmnt -no SOURCE -T "$TEST_DIR")', there '$(there_in)') comes from outside of the namespace; name it with --external 'mnt[$TEST_DIR]:NAME', or all that come from outside with --external 'mnt[]'"
	again removed
	refuse "cannot dump $PID: the mnt namespace of pid $PID: the mount '/at' shows '$(there_in)/root/gone', which was removed; this is not supported; let the program unmount it before the dump" --external "mnt[$TEST_DIR]:folder"
	again ramfs
	refuse "cannot dump $PID: the mnt namespace of pid $PID: the mount '/ram' (ramfs of 'empty', there '/') cannot be made anew; name it with --external 'mnt[/ram]:NAME', or all that come from outside with --external 'mnt[]'" --external "mnt[$TEST_DIR]:folder"
	again child
	refuse "cannot dump $PID: pid $(pgrep -P "$PID") lives in a mnt namespace of its own (mnt:[$(stat -Lc %i "/proc/$(pgrep -P "$PID")/ns/mnt")]), which is not supported yet; all tasks of a tree have to live in the namespaces of its root" --external "mnt[$TEST_DIR]:folder"
}

@test "mnt: a file system of another kind, and one that is left out" {
	start ns/mnt ramfs
	there --enable-fs ramfs,other
	fails_with "ns/mnt: the mount '/ram' is of a file system 'ramfs'; --enable-fs ramfs mounts it anew" --root "$TEST_DIR/root"
	and_back --enable-fs all
	check
	again ramfs
	there --skip-mnt /ram
	and_back
	grep -q ' /ram ' "/proc/$PID/mountinfo" && fail "it is mounted"
	grep -q " $TEST_DIR " "/proc/$PID/mountinfo"
}

@test "mnt: what does not come back is named" {
	start ns/mnt basic
	there
	mv "$TEST_DIR/root/sub" "$TEST_DIR/root/away"
	fails_with "the mount '/sub': open 'sub' in it: No such file or directory" --root "$TEST_DIR/root" --external "mnt[folder]:$TEST_DIR"
	mv "$TEST_DIR/root/away" "$TEST_DIR/root/sub"
	rmdir "$TEST_DIR/root/mem"
	fails_with "the mount '/mem': open the place for it: No such file or directory; make that file or directory where it was at the dump" --root "$TEST_DIR/root" --external "mnt[folder]:$TEST_DIR"
	mkdir "$TEST_DIR/root/mem"
	fails_with "the mount '$TEST_DIR': it comes from outside, and was called 'folder'; say what it is here with --external 'mnt[folder]:PATH'" --root "$TEST_DIR/root"
	fails_with "the mount '$TEST_DIR': open '$TEST_DIR/none' as a mount: No such file or directory" --root "$TEST_DIR/root" --external "mnt[folder]:$TEST_DIR/none"
	fails_with "the mount '/': open '$TEST_DIR/none' as a mount: No such file or directory" --root "$TEST_DIR/none" --external "mnt[folder]:$TEST_DIR"
	and_back
	check
}

@test "mnt: a namespace with all that is mounted outside" {
	start ns/mnt outside private
	dump --external 'mnt[]'
	until_true is_gone
	[[ $("$STASIS" restore -D "$IMAGES" 2>&1) = "cannot restore '$IMAGES': the mount '"*"': it came from '"*"' outside; --external 'mnt[]' takes all such mounts from where they were" ]] || fail "another sentence"
	restore --external 'mnt[]'
	check
}

# A namespace in which stasis runs as well, with something mounted that is shared.
outer()
{
	nsenter -t "$OUTER" -m "$@"
}

outside_that_is()
{
	mkdir "$TEST_DIR/shared"
	launch unshare --mount --propagation private sh -c "mount -t tmpfs outer '$TEST_DIR/shared' && mount --make-shared '$TEST_DIR/shared' && touch '$TEST_DIR/up' && exec sleep 600"
	OUTER=$PID
	until_true test -e "$TEST_DIR/up"
	launch nsenter -t "$OUTER" -m "$BUILD/test/ns/mnt" outside "$1"
	wait_ready
	inside_of_outer
}

inside_of_outer()
{
	printf '#!/bin/sh\nexec nsenter -t %s -m "%s" "$@"\n' "$OUTER" "$STASIS" >"$TEST_DIR/stasis"
	chmod +x "$TEST_DIR/stasis"
	STASIS=$TEST_DIR/stasis
}

# asks_for SENTENCE: so says a dump without the option.
asks_for()
{
	local said

	said=$("$STASIS" dump -t "$PID" -D "$IMAGES" --external 'mnt[]' 2>&1) && fail "it was dumped"
	[ "$said" = "cannot dump $PID: the mnt namespace of pid $PID: the mount '$TEST_DIR/shared' $1" ] || fail "$said"
}

# The tree sees what is mounted outside after the restore.
follows()
{
	outer mkdir "$TEST_DIR/shared/late"
	outer mount -t tmpfs late "$TEST_DIR/shared/late"
	outer touch "$TEST_DIR/shared/late/file"
	check
}

@test "mnt: what follows outside" {
	outside_that_is slave
	asks_for "follows what is mounted outside of the namespace; --enable-external-masters allows that"
	dump --external 'mnt[]:m'
	until_true is_gone
	restore --external 'mnt[]:m'
	follows
}

@test "mnt: what is shared with outside" {
	outside_that_is shared
	asks_for "is shared with outside of the namespace; --enable-external-sharing allows that"
	dump --external 'mnt[]' --enable-external-sharing
	until_true is_gone
	restore --external 'mnt[]:s'
	follows
}

# over_an_overlay CASE: as container engines have it, whose handles nobody can open.
over_an_overlay()
{
	mkdir "$TEST_DIR"/{root,lower,layers}
	launch unshare --mount --propagation private sh -c "mount -t tmpfs layers '$TEST_DIR/layers' && mkdir '$TEST_DIR/layers/upper' '$TEST_DIR/layers/work' && mount -t overlay -o lowerdir='$TEST_DIR/lower',upperdir='$TEST_DIR/layers/upper',workdir='$TEST_DIR/layers/work' overlay '$TEST_DIR/root' && touch '$TEST_DIR/up' && exec sleep 600"
	OUTER=$PID
	until_true test -e "$TEST_DIR/up" || skip "no overlay can be mounted"
	launch nsenter -t "$OUTER" -m "$BUILD/test/ns/mnt" "$1"
	wait_ready
	inside_of_outer
}

@test "mnt: over an overlay" {
	over_an_overlay objects
	there --irmap-scan-path /
	and_back
	check
}

# Whoever lives where something of this test is mounted.
mounts()
{
	grep -ls "$TEST_DIR" /proc/[0-9]*/mountinfo || true
}

none_mounted()
{
	[ -z "$(mounts)" ]
}

killing_script()
{
	# shellcheck disable=SC2016 # expanded by that shell
	printf '#!/bin/sh\n[ "$CRTOOLS_SCRIPT_ACTION" != %s ] || kill -KILL $PPID\n' "$1" >"$TEST_DIR/kill.sh"
	chmod +x "$TEST_DIR/kill.sh"
}

@test "mnt: a restore that fails, or is killed, leaves nothing behind" {
	local step

	container system
	there
	until_true none_mounted
	for step in namespaces first mounts make tree files commit; do
		run timeout 60 "$STASIS" restore -d -D "$IMAGES" --root "$TEST_DIR/root" --external "mnt[folder]:$TEST_DIR" --inject-fault "$step"
		[ "$status" = 1 ] || fail "$output"
		nothing_left
		none_mounted || fail "left after '$step': $(mounts)"
	done
	killing_script post-restore
	run timeout 60 "$STASIS" restore -d -D "$IMAGES" --root "$TEST_DIR/root" --external "mnt[folder]:$TEST_DIR" --action-script "$TEST_DIR/kill.sh"
	[ "$status" = 137 ] || fail "$status: $output"
	until_true nothing_left >/dev/null || nothing_left
	until_true none_mounted || fail "left: $(mounts)"
	restore --root "$TEST_DIR/root" --external "mnt[folder]:$TEST_DIR" --pidfile pid
	PID=$(cat "$IMAGES/pid")
	check
}

@test "mnt: a dump that is killed leaves the tree running, and no link" {
	start ns/mnt links
	killing_script post-dump
	run timeout 60 "$STASIS" dump -t "$PID" -D "$IMAGES" --external "mnt[$TEST_DIR]:folder" --link-remap --action-script "$TEST_DIR/kill.sh"
	[ "$status" != 0 ] || fail "it was not killed"
	check
}

@test "mnt: a pre-dump, which is told of no mounts" {
	skip_unless pagemap_scan
	start ns/mnt files
	"$STASIS" pre-dump -t "$PID" -D "$IMAGES" || fail "no pre-dump"
	next_images 2
	there --track-mem --prev-images-dir ../images.1
	and_back
	check
}

@test "mnt: what is covered on an overlay is refused" {
	over_an_overlay files
	refuse "cannot dump $PID: fd 6 (regfile) of pid $PID: the mount '/over' covers '/over/plain', and its file system has no handles; let the program close it, or unmount what covers it, before the dump" --external "mnt[$TEST_DIR]:folder"
}
