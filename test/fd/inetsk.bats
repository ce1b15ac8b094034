load ../lib
load ../net

@test "inetsk: sockets that listen, are bound, or neither" {
	net_begin
	start_here fd/inetsk
	dump_and_restore
	check
}
