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

# Of connections that have both ends here all is seen.
moved()
{
	[ -z "${PLAIN:-}" ] || skip "nothing is restored"
	net_begin
	start_here fd/tcp_states "${@:3}"
	dump --tcp-established
	until_true is_gone
	restore --tcp-established --tcp-rebind "$1=$2"
	# What has not been told to end is at the new address, and nobody at the old one.
	here ss -tnH | grep -qF "$2" || fail "nobody is at $2"
	! here ss -tnH | grep -F -e " $1:" -e "[$1]:" || fail "somebody is at $1"
	check
	no_lock
}

@test "tcp: all states, at another address" {
	moved 127.0.0.1 127.0.0.5
}

@test "tcp: all states, at another address, IPv6" {
	moved ::1 fd99::1 six
}
