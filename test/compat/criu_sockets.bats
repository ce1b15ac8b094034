load ../lib
load ../net
load criu

@test "criu: UNIX sockets, dumped by us" { to_criu compat/unixsk; }
@test "criu: UNIX sockets, restored by us" { from_criu compat/unixsk; }

@test "criu: descriptors on their way, names, UDP and the like" {
	local kind

	for kind in rights abstract waiting unlinked listen udp inotify netlink packet; do
		both compat/sockets "$kind"
	done
}

# All that is done in a network of its own: what is left there blocks nobody.
in_network()
{
	local program

	net_begin
	for program in OURS OTHER; do
		printf '#!/bin/sh\nexec nsenter --net=/run/netns/%s "%s" "$@"\n' "$HERE" "${!program}" >"$TEST_DIR/$program"
		chmod 0755 "$TEST_DIR/$program"
	done
	export START=start_here
	# shellcheck disable=SC2034 # carry() reads it
	OPTIONS=(--tcp-established)
}

# Rules of CRIU are not of a table of their own.
nothing_blocked()
{
	local rules

	no_lock
	rules=$(here nft list ruleset 2>/dev/null)
	[[ $rules != *0x0000c114* ]] || fail "a lock is left: $rules"
}

@test "criu: TCP connections, dumped by us" {
	in_network
	carry "$TEST_DIR/OURS" "$TEST_DIR/OTHER" compat/sockets tcp
	nothing_blocked
}

@test "criu: TCP connections, restored by us" {
	in_network
	export DUMP_WITH="--network-lock nftables"
	carry "$TEST_DIR/OTHER" "$TEST_DIR/OURS" compat/sockets tcp
	nothing_blocked
}

@test "criu: TCP connections that it has locked by iptables" {
	type -P iptables-restore >/dev/null || skip "there is no iptables"
	in_network
	export DUMP_WITH="--network-lock iptables"
	here iptables -A INPUT -p tcp --dport 9 -j DROP
	carry "$TEST_DIR/OTHER" "$TEST_DIR/OURS" compat/sockets tcp
	nothing_blocked
	here iptables -C INPUT -p tcp --dport 9 -j DROP
}

@test "criu: TCP connections that go on, dumped by us" {
	in_network
	export START=start_tcp CHECK=check_tcp
	carry "$TEST_DIR/OURS" "$TEST_DIR/OTHER" 1 10.99.0.1 7000 fd99::1 7001
	nothing_blocked
}

@test "criu: TCP connections that go on, restored by us" {
	type -P iptables-restore >/dev/null || skip "there is no iptables"
	in_network
	export START=start_tcp CHECK=check_tcp
	export DUMP_WITH="--network-lock iptables"
	carry "$TEST_DIR/OTHER" "$TEST_DIR/OURS" 1 10.99.0.1 7000 fd99::1 7001
	nothing_blocked
}
