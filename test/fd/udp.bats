load ../lib
load ../net

@test "udp: bound, connected, in groups" {
	net_begin
	start_here fd/udp
	dump_and_restore
	check
}

@test "udp: a datagram that is being put together is refused" {
	net_begin
	start_here fd/udp cork
	refuse "cannot dump $PID: fd 3 (inetsk) of pid $PID: a datagram is being put together in it (UDP_CORK), which is not supported; let the program send it before the dump"
}

@test "udp: datagrams that nobody has read" {
	net_begin
	start_here fd/udp_unread
	there "$BUILD/test/fd/udp_unread" peer
	go
	dump_and_restore
	no_lost_datagrams
	check
}

no_lost_datagrams()
{
	[ -n "${PLAIN:-}" ] || ! grep "are lost" "$IMAGES/restore.log" || fail "some are lost"
}

@test "udp: datagrams that nobody has read stay in a program that runs on" {
	[ -z "${PLAIN:-}" ] || skip "nothing is saved"
	net_begin
	start_here fd/udp_unread
	there "$BUILD/test/fd/udp_unread" peer
	go
	dump --leave-running
	check
}
