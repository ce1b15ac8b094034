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
