load ../lib

# What is marked is a file system of the test's own, so that nobody else is asked or told.
begin()
{
	export VICTIM_DIR=$TEST_DIR/tmpfs
	mkdir "$VICTIM_DIR"
	mount -t tmpfs tmpfs "$VICTIM_DIR" || skip "no tmpfs can be mounted"
	start fd/fanotify "$@"
}

teardown()
{
	kill_all
	[ -z "${VICTIM_DIR:-}" ] || umount -l "$VICTIM_DIR" || true
	rm -rf "$TEST_DIR"
}

@test "fanotify: groups, marks and what they ignore" {
	begin
	dump_and_restore
	check
}

@test "fanotify: a dump that leaves the program running is no event" {
	begin
	dump --leave-running
	check
}

@test "fanotify: events that wait are refused" {
	begin waiting
	refuse "cannot dump $PID: fd 3 (fanotify) of pid $PID: events wait in it to be read, which is not supported; let the program read them before the dump"
}

@test "fanotify: who decides over accesses is refused before it is stopped, or we would wait for each other" {
	begin decides
	IMAGES=$VICTIM_DIR/images
	mkdir "$IMAGES"
	refuse "cannot dump $PID: fd 4 (fanotify) of pid $PID: it decides over accesses of others (permission events), and cannot answer while it is stopped; let the program remove these marks before the dump"
}

@test "fanotify: a mark on a mount that is not there fails the restore" {
	begin
	dump
	until_true is_gone
	umount "$VICTIM_DIR"
	mkdir -p "$VICTIM_DIR/dir"
	touch "$VICTIM_DIR"/{file,quiet}
	said=$("$STASIS" restore -d -D "$IMAGES" -o restore.log 3>&- 2>&1) && fail "it worked"
	[[ $said = "cannot restore '$IMAGES': fd 3 (fanotify) of pid $PID: its mark on a mount: nothing is mounted on '$VICTIM_DIR'; mount it as it was" ]] || fail "$said"
	nothing_left
	mount -t tmpfs tmpfs "$VICTIM_DIR"
}
