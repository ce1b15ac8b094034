load ../lib

@test "shmem: anonymous memory shared by three processes stays shared, holes and parts included" {
	start mm/shmem
	dump_and_restore
	check
}

@test "shmem: it is saved once" {
	start mm/shmem
	dump
	# 300 pages and one, of which 14 hold something; and no task has them in its own pages.
	run "$STASIS" show "$IMAGES"/memfd.img
	[ "$(grep -c '"/dev/zero"' <<<"$output")" = 2 ] || fail "$output"
	restore
	check
}
