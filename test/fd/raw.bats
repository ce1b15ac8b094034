load ../lib
load ../net

@test "raw: protocols, peers, filters, and numbers of pings" {
	net_begin
	here sh -c 'echo 7 7 >/proc/sys/net/ipv4/ping_group_range'
	start_here fd/raw
	dump_and_restore
	check
}

@test "raw: a ping where nobody may make one is refused" {
	[ -z "${PLAIN:-}" ] || skip "nothing is restored"
	net_begin
	here sh -c 'echo 7 7 >/proc/sys/net/ipv4/ping_group_range'
	start_here fd/raw
	dump
	until_true is_gone
	here sh -c 'echo 1 0 >/proc/sys/net/ipv4/ping_group_range'
	said=$("$STASIS" restore -d -D "$IMAGES" 3>&- 2>&1) && fail "it was restored"
	[ "$said" = "cannot restore '$IMAGES': fd 10 (inetsk) of pid $PID: nobody may make a socket for ICMP here; set the sysctl net.ipv4.ping_group_range" ] || fail "$said"
	here sh -c 'echo 7 7 >/proc/sys/net/ipv4/ping_group_range'
	restore
	check
}
