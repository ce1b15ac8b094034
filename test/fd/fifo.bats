load ../lib

@test "fifo: bytes, packets, single ends, and one that was removed" {
	start fd/fifo
	dump_and_restore
	check
}

@test "fifo: a dump that leaves the program running takes nothing out" {
	start fd/fifo
	dump --leave-running
	check
}

@test "fifo: one into which somebody has written since is refused" {
	start fd/fifo
	dump
	exec 9<>"$TEST_DIR/fifo"
	echo more >&9
	run "$STASIS" restore -d -D "$IMAGES" 9>&-
	[ "$status" = 1 ]
	[ "$output" = "cannot restore '$IMAGES': fd 4 (fifo) of pid $PID: there are 5 bytes in it; it had 11 when it was dumped" ]
	nothing_left
}
