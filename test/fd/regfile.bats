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
