load ../lib
load ../net

states()
{
	net_begin
	start_here fd/tcp_states "$@"
	dump_and_restore --tcp-established
	check
	no_lock
}

@test "tcp: all states, unread and unsent bytes" {
	states
}

@test "tcp: all states, unread and unsent bytes, IPv6" {
	states six
}
