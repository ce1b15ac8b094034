load ../lib

@test "signalfd: the mask, and a signal that waits" {
	start fd/signalfd
	dump_and_restore
	check
}
