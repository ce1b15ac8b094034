load ../lib

@test "unixsk: descriptors that are on their way" {
	start fd/unixsk_rights
	dump --leave-running
	next_images again
	dump_and_restore
	check
}
