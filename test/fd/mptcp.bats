load ../lib
load ../net

begin_in_network()
{
	net_begin
	start_here fd/mptcp "$@"
}

@test "mptcp: sockets that listen, and connections of those who call them by TCP" {
	begin_in_network
	dump_and_restore --tcp-established
	no_lock
	check
}

@test "mptcp: a connection is refused" {
	begin_in_network connected
	refuse "cannot dump $PID: fd 3 (inetsk) of pid $PID: connections of MPTCP are not supported: the kernel does not tell what is in them; let the program close it before the dump" --tcp-established
}

@test "mptcp: a connection that waits is refused" {
	begin_in_network waiting
	refuse "cannot dump $PID: fd 3 (inetsk) of pid $PID: 1 connections wait in it, which may be of MPTCP; --skip-in-flight drops them" --tcp-established
}
