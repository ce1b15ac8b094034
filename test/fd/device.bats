load ../lib

# restore_fails SENTENCE [OPTIONS]
restore_fails()
{
	local sentence=$1 said

	shift
	said=$("$STASIS" restore -d -D "$IMAGES" "$@" 2>&1) && fail "it was restored"
	[ "$said" = "$sentence" ] || fail "the restore said: $said"
}

# dump_device NAME NUMBERS: a device that is named.
dump_device()
{
	[ -z "${PLAIN:-}" ] || skip "nothing is saved"
	dump --external "dev[$2]:$1"
	until_true is_gone
}

@test "device: those that have no state" {
	start fd/device plain
	dump_and_restore
	check
}

@test "device: one that is named, where it was" {
	start fd/device fuse
	dump_device channel 10/229
	restore
	check
}

@test "device: one that is named, elsewhere" {
	start fd/device fuse elsewhere
	dump_device channel 10/229
	mv "$TEST_DIR/device" "$TEST_DIR/other"
	restore --external "dev[channel]:$TEST_DIR/other"
	[ "$(readlink "/proc/$PID/fd/3")" = "$TEST_DIR/other" ]
	check
}

@test "device: a block device with its position" {
	start fd/device block
	dump_device disk 7/7
	restore
	check
}

@test "device: another device under its name is refused" {
	start fd/device fuse
	dump_device channel 10/229
	rm "$TEST_DIR/device"
	mknod -m 0640 "$TEST_DIR/device" c 1 3
	restore_fails "cannot restore '$IMAGES': fd 3 (device) of pid $PID: '$TEST_DIR/device' is the device 1:3 now; it was 10:229 when it was dumped; say where it is with --external 'dev[channel]:PATH'"
}

@test "device: a file in the place of the device is refused" {
	start fd/device fuse
	dump_device channel 10/229
	touch "$TEST_DIR/file"
	restore_fails "cannot restore '$IMAGES': fd 3 (device) of pid $PID: '$TEST_DIR/file', which --external gives for '$TEST_DIR/device', is no character device" --external "dev[channel]:$TEST_DIR/file"
}

@test "device: a block device that is not named is refused" {
	start fd/device block
	refuse "cannot dump $PID: fd 3 (block device 7:7 '$TEST_DIR/device') of pid $PID is not supported yet; let the program close it before the dump, or use --external 'dev[7/7]:NAME' if it has nothing to lose when it is opened anew"
}

# given_back TTY: it is refused, named, and comes back as what it was.
given_back()
{
	[ -z "${PLAIN:-}" ] || skip "nothing is saved"
	[ -c "$1" ] || skip "there is no $1"
	export TTY=$1
	start fd/device tty
	key=$(printf 'tty[%x:%x]' $(($(stat -c '0x%t' "$1") * 256 + $(stat -c '0x%T' "$1"))) "$(stat -c %d "$1")")
	dump --external "$key"
	until_true is_gone
	restore --inherit-fd "fd[7]:$key" 7<>"$1"
	[ "$(readlink "/proc/$PID/fd/3")" = "$1" ]
	check
}

@test "device: a virtual console is given back by --inherit-fd" {
	given_back /dev/tty10
}

@test "device: a serial line is given back by --inherit-fd" {
	given_back /dev/ttyS0
}
