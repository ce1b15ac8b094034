load ../lib

@test "packetsk: bound and deaf, options, filter, memberships, sharing out" {
	start fd/packetsk
	dump_and_restore
	check
}

@test "packetsk: memberships count as often as they did" {
	[ -z "${PLAIN:-}" ] || skip "nothing is saved"
	start fd/packetsk
	dump_and_restore
	flags=$(cat /sys/class/net/lo/flags)
	[ $((flags & 0x100)) != 0 ] || fail "lo is not promiscuous, its flags are $flags"
	check
}

@test "packetsk: a ring is refused" {
	start fd/packetsk_odd
	refuse "cannot dump $PID: fd 3 (packetsk) of pid $PID: it has a ring of packets in shared memory, which is not supported; let the program close it before the dump"
}
