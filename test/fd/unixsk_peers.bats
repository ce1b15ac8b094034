load ../lib

@test "unixsk: who is at the other end, and who has sent what waits" {
	start fd/unixsk_peers
	dump --leave-running
	next_images again
	dump_and_restore
	check
}
