load ../lib

# in_tmpfs, in_overlay: the files of the program are there.
in_tmpfs()
{
	export VICTIM_DIR=$TEST_DIR/tmpfs
	mkdir "$VICTIM_DIR"
	mount -t tmpfs tmpfs "$VICTIM_DIR" || skip "no tmpfs can be mounted"
}

in_overlay()
{
	export VICTIM_DIR=$TEST_DIR/merged
	mkdir -p "$TEST_DIR"/{lower/deep/below,upper,work,merged}
	mount -t overlay -o "lowerdir=$TEST_DIR/lower,upperdir=$TEST_DIR/upper,workdir=$TEST_DIR/work" overlay "$VICTIM_DIR" ||
		skip "no overlay can be mounted"
}

teardown()
{
	kill_all
	[ -z "${VICTIM_DIR:-}" ] || umount -l "$VICTIM_DIR" || true
	rm -f "/run/stasis/tracking-$PID"
	rm -rf "$TEST_DIR"
}

@test "inotify: every watch, with its number and mask" {
	start fd/inotify
	dump_and_restore
	check
}

@test "inotify: the same on tmpfs" {
	in_tmpfs
	start fd/inotify
	dump_and_restore
	check
}

@test "inotify: the same on overlayfs, which has no handles" {
	in_overlay
	start fd/inotify
	dump_and_restore
	check
}

@test "inotify: a dump that leaves the program running is no event" {
	start fd/inotify
	dump --leave-running
	check
}

@test "inotify: events that wait stay with a program that runs on" {
	start fd/inotify kept
	said=$("$STASIS" dump -t "$PID" -D "$IMAGES" -v4 -o dump.log --leave-running 3>&- 2>&1)
	grep -q "IN_Q_OVERFLOW will stand for them" "$IMAGES/dump.log"
	check
}

@test "inotify: events that wait when a dump fails stay" {
	start fd/inotify kept
	"$STASIS" dump -t "$PID" -D "$IMAGES" -o dump.log --inject-fault images 3>&- && fail "it worked"
	check
}

@test "inotify: a restored program is told that events were lost" {
	start fd/inotify waiting
	dump_and_restore
	check
}

@test "inotify: what a restore does to files is not told" {
	start fd/inotify links
	dump_and_restore --link-remap
	check
}

@test "inotify: a removed file that only a process outside has is refused" {
	start fd/inotify foreign
	refuse "cannot dump $PID: fd 3 (inotify) of pid $PID: its watch 1 is of a file that was removed, and that only somebody outside of the tree has open; let the program remove the watch before the dump"
}

@test "inotify: a file whose name the kernel has forgotten" {
	start fd/inotify
	echo 2 >/proc/sys/vm/drop_caches
	dump_and_restore
	"$STASIS" show "$IMAGES/files.img" | grep -q "\"path\": *\"$TEST_DIR/file\"" && skip "it has not"
	check
}

@test "inotify: --force-irmap finds such a name, below --irmap-scan-path first" {
	start fd/inotify
	echo 2 >/proc/sys/vm/drop_caches
	dump_and_restore --force-irmap --irmap-scan-path /usr/share --irmap-scan-path "$TEST_DIR"
	"$STASIS" show "$IMAGES/files.img" | grep -q "\"path\": *\"$TEST_DIR/file\""
	check
}

@test "inotify: a file that was renamed before the restore is found by its handle" {
	start fd/inotify
	dump
	until_true is_gone
	mv "$TEST_DIR/once" "$TEST_DIR/moved"
	restore
	mv "$TEST_DIR/moved" "$TEST_DIR/once"
	runs "$PID"
}

@test "inotify: a file that no path leads to is found by its handle alone" {
	start fd/inotify
	mount --bind /dev/null "$TEST_DIR/once" || skip "nothing can be mounted"
	if ! dump; then
		umount "$TEST_DIR/once"
		fail "it is not dumped"
	fi
	until_true is_gone
	umount "$TEST_DIR/once"
	! "$STASIS" show "$IMAGES/files.img" | grep -q "\"path\": *\"$TEST_DIR/once\"" || fail "it has a path"
	mv "$TEST_DIR/once" "$TEST_DIR/moved"
	restore
	mv "$TEST_DIR/moved" "$TEST_DIR/once"
	check
}

@test "inotify: a kernel that cannot choose numbers of watches" {
	[ -z "${PLAIN:-}" ] || skip "nothing is restored"
	start fd/inotify
	dump
	until_true is_gone
	"$BUILD/test/fd/inotify_old" "$STASIS" restore -d -D "$IMAGES" -o restore.log
	check
}

@test "inotify: without handles, a path that leads nowhere fails the restore" {
	in_overlay
	start fd/inotify
	dump
	until_true is_gone
	mv "$VICTIM_DIR/once" "$VICTIM_DIR/moved"
	said=$("$STASIS" restore -d -D "$IMAGES" -o restore.log 3>&- 2>&1) && fail "it worked"
	[ "$said" = "cannot restore '$IMAGES': fd 3 (inotify) of pid $PID: its watch 4: open '$VICTIM_DIR/once': No such file or directory; bring back what it watches" ] || fail "$said"
	nothing_left
	mv "$VICTIM_DIR/moved" "$VICTIM_DIR/once"
	restore
	check
}
