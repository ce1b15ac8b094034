load ../lib

@test "regfile: positions, flags, numbers, sharing, odd names, devices, directories, /proc" {
	start fd/regfile
	dump_and_restore
	check
}

@test "regfile: a dump that leaves the program running changes none of it" {
	start fd/regfile
	dump --leave-running
	check
}

@test "regfile: a file that has grown since is refused, and the restore leaves nothing behind" {
	start fd/regfile
	dump
	echo more >>"$TEST_DIR/plain"
	run "$STASIS" restore -d -D "$IMAGES"
	[ "$status" = 1 ]
	[ "$output" = "cannot restore '$IMAGES': fd 3 (regfile) of pid $PID: '$TEST_DIR/plain' has 15 bytes now; it had 10 when it was dumped" ]
	nothing_left
	truncate -s 10 "$TEST_DIR/plain"
	restore
	check
}

@test "regfile: another mode is refused, unless --skip-file-rwx-check is given" {
	start fd/regfile
	dump
	chmod 0600 "$TEST_DIR/plain"
	run "$STASIS" restore -d -D "$IMAGES"
	[ "$status" = 1 ]
	[ "$output" = "cannot restore '$IMAGES': fd 3 (regfile) of pid $PID: '$TEST_DIR/plain' has the mode 0600 now; it had 0640 when it was dumped; --skip-file-rwx-check leaves that out of account" ]
	restore --skip-file-rwx-check
	runs "$PID"
}

@test "regfile: a file that is gone is refused by its path" {
	start fd/regfile
	dump
	rm "$TEST_DIR/append"
	run "$STASIS" restore -d -D "$IMAGES"
	[ "$status" = 1 ]
	[ "$output" = "cannot restore '$IMAGES': fd 4 (regfile) of pid $PID: open '$TEST_DIR/append': No such file or directory" ]
	nothing_left
}

# A program of its own, so that it can be changed.
start_copy()
{
	cp "$BUILD/test/fd/eventfd" "$TEST_DIR/program"
	launch "$TEST_DIR/program"
	wait_ready
}

# Another build-id, in a file of the same size.
change_build_id()
{
	local at

	at=$(readelf -SW "$TEST_DIR/program" | awk '{ for (i = 1; i <= NF; i++) if ($i == ".note.gnu.build-id") print $(i + 3) }')
	printf x | dd of="$TEST_DIR/program" bs=1 seek=$((16#$at + 16)) conv=notrunc status=none
}

@test "regfile: another program at the same path is refused by its build-id" {
	start_copy
	dump
	change_build_id
	run "$STASIS" restore -d -D "$IMAGES"
	[ "$status" = 1 ]
	[[ "$output" = *"'$TEST_DIR/program' is another program than the one that was dumped: its build-id differs; bring back the file as it was then" ]]
	nothing_left
	restore --file-validation filesize
	check
}

@test "regfile: --file-validation filesize stores no build-id" {
	start_copy
	dump --file-validation filesize
	change_build_id
	restore
	check
}

@test "regfile: a device's node that is gone: another one will do with --evasive-devices" {
	mknod -m 0666 "$TEST_DIR/null" c 1 3
	exec 5<>"$TEST_DIR/null"
	VICTIM_READY=$TEST_DIR/ready VICTIM_GO=$TEST_DIR/go VICTIM_RESULT=$TEST_DIR/result setsid "$BUILD/test/fd/unsupported" \
		</dev/null >&5 2>>"$TEST_DIR/err" 3>&- 5>&- &
	PID=$!
	exec 5>&-
	wait_ready
	rm "$TEST_DIR/null"
	dump --evasive-devices
	restore
	[ "$(readlink "/proc/$PID/fd/1")" = /dev/null ]
	check
}

# A file on a file system that nobody can reach by a path any more: fd 5 of the program that is started.
start_unreachable()
{
	mkdir "$TEST_DIR/mount"
	mount -t tmpfs none "$TEST_DIR/mount"
	echo inside >"$TEST_DIR/mount/file"
	exec 5<"$TEST_DIR/mount/file"
	umount -l "$TEST_DIR/mount"
	VICTIM_READY=$TEST_DIR/ready VICTIM_GO=$TEST_DIR/go VICTIM_RESULT=$TEST_DIR/result setsid "$BUILD/test/fd/unsupported" \
		0<&5 >/dev/null 2>>"$TEST_DIR/err" 3>&- 5>&- &
	PID=$!
	wait_ready
	key=$(printf 'file[%x:%x]' "$(awk '/^mnt_id/ { print $2 }' "/proc/$PID/fdinfo/0")" "$(stat -Lc %i "/proc/$PID/fd/0")")
}

@test "regfile: a file that no path leads to is refused" {
	start_unreachable
	refuse "cannot dump $PID: fd 0 (regfile) of pid $PID: '/file' does not lead to it: another file or mount covers it; unmount what covers it, or run stasis where it can be seen"
	exec 5>&-
}

@test "regfile: a file that no path leads to is given back by --external and --inherit-fd" {
	start_unreachable
	dump --external "$key"
	run "$STASIS" restore -d -D "$IMAGES"
	[ "$status" = 1 ]
	[ "$output" = "cannot restore '$IMAGES': fd 0 (regfile) of pid $PID: it came from outside of the tree; give a descriptor for it with --inherit-fd 'fd[N]:$key'" ]
	restore --inherit-fd "fd[5]:$key"
	[ "$(readlink "/proc/$PID/fd/0")" = /file ]
	check
	exec 5>&-
}

@test "regfile: a path that is longer than the kernel tells is refused" {
	name=$(printf 'd%.0s' $(seq 200))
	(
		cd "$TEST_DIR" || exit 1
		for _ in $(seq 22); do mkdir "$name" && cd "$name" || exit 1; done
		VICTIM_READY=$TEST_DIR/ready VICTIM_GO=$TEST_DIR/go VICTIM_RESULT=$TEST_DIR/result exec setsid "$BUILD/test/fd/unsupported" \
			</dev/null >file 2>>"$TEST_DIR/err" 3>&-
	) &
	PID=$!
	wait_ready
	refuse "cannot dump $PID: fd 1 of pid $PID: its path is longer than the kernel can tell (4095 bytes); move it up in the directory tree"
}

@test "regfile: another root directory, where everything is found by the same paths" {
	start fd/regfile
	dump
	mkdir "$TEST_DIR/root"
	mount --rbind / "$TEST_DIR/root"
	mount --make-rprivate "$TEST_DIR/root"
	status=0
	restore --root "$TEST_DIR/root" || status=$?
	if [ "$status" = 0 ]; then
		root=$(readlink "/proc/$PID/root")
		check || status=$?
	fi
	umount -l "$TEST_DIR/root"
	[ "$status" = 0 ]
	[ "$root" = "$TEST_DIR/root" ]
}
