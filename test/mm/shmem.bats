load ../lib

@test "shmem: anonymous memory shared by three processes stays shared, holes and parts included" {
	start mm/shmem
	dump_and_restore
	check
}

@test "shmem: it is saved once" {
	start mm/shmem
	dump
	until_true is_gone
	run "$STASIS" show "$IMAGES"/memfd.img
	[ "$(grep -c '"/dev/zero"' <<<"$output")" = 2 ] || fail "$output"
	restore
	check
}
