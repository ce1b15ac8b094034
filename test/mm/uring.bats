load ../lib

@test "uring: mappings of rings are in their places, after a second time as well" {
	start fd/uring
	dump_and_restore
	next_images again
	dump_and_restore
	check
}

@test "uring: memory saved while the program runs" {
	skip_unless mem_dirty_track
	start fd/uring
	dump --leave-running --freeze=cow
	next_images precopy
	dump_and_restore --freeze=precopy
	check
}

@test "uring: a ring of io_uring whose descriptor is closed" {
	start mm/unsupported uring
	said=$("$STASIS" dump -t "$PID" -D "$IMAGES" 2>&1) && fail "it was dumped"
	[[ $said = *"it is a ring of io_uring whose descriptor is closed, which is not supported" ]] || fail "$said"
	check
}
