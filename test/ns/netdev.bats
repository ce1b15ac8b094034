load ../lib

# What is in a network namespace of its own: test/ns/net.c shows it by the tools that others use, before and after.

rich()
{
	cat <<-'END'
		set -e
		ip link set lo up
		ip link add name va index 17 address 02:00:00:00:00:11 mtu 1400 txqueuelen 77 type veth peer name vb address 02:00:00:00:00:22
		ip link add name br5 index 50 type bridge stp_state 0 forward_delay 300 ageing_time 1234
		ip link set vb master br5
		ip link set vb type bridge_slave cost 55 hairpin on
		ip link set va up; ip link set vb up; ip link set br5 up
		ip tuntap add name tap7 mode tap user 1000 vnet_hdr
		ip tuntap add name tun8 mode tun pi multi_queue
		ip link add name mac9 link va address 02:00:00:00:00:99 type macvlan mode private
		ip link set mac9 up
		ip link set va promisc on
		ip addr add 10.1.0.1/24 broadcast 10.1.0.255 dev va label va:x
		ip addr add 10.1.0.7/24 dev va
		ip addr add 10.2.0.1/24 dev br5
		ip addr add fd00::1/64 dev va nodad
		ip addr add fd02::1/64 dev br5 nodad
		ip link set tap7 up
		ip addr add 10.3.0.1/24 dev tap7
		ip route add default via 10.1.0.254 dev va metric 7
		ip route add 10.77.0.0/16 via 10.2.0.9 src 10.2.0.1 mtu lock 1300
		ip route add 10.78.0.0/16 nexthop via 10.1.0.100 weight 3 nexthop via 10.2.0.100 weight 5
		ip route add 10.79.0.0/16 dev va table 100
		ip route add default via 10.79.0.1 dev va onlink table 100
		ip route add blackhole 10.80.0.0/16
		ip route add local 10.81.0.0/16 dev lo
		ip route add unreachable 10.82.0.0/16 table 1234
		ip -6 route add default via fd00::99 dev va
		ip -6 route add fd55::/32 via fd02::77 metric 5
		ip -6 route add fd56::/32 nexthop via fd00::5 dev va nexthop via fd02::5 dev br5
		ip -6 route add blackhole fd57::/32
		ip rule add from 10.79.0.0/16 table 100 priority 99
		ip rule add fwmark 7/15 iif va table 1234 priority 98
		ip rule del priority 32767
		ip -6 rule add to fd77::/32 table 100
		ip neigh add 10.1.0.50 lladdr 02:11:11:11:11:11 dev va nud permanent
		ip neigh add fd00::50 lladdr 02:11:11:11:11:12 dev va nud permanent
		ip neigh add proxy 10.1.0.60 dev va
		ip neigh add proxy fd00::60 dev va
		ip link set tun8 down
		nft 'table inet t {
		 set s { type ipv4_addr; flags interval; elements = { 1.2.3.0/24, 5.6.7.8 }; }
		 chain in { type filter hook input priority 0; policy accept; iifname "va" ip saddr @s drop; ct state established accept; tcp dport { 80, 443 } counter accept; }
		 }
		 table ip nat {
		 chain post { type nat hook postrouting priority 100; oif va masquerade; }
		 }'
		cd /proc/sys/net
		echo 1 >ipv4/conf/all/forwarding
		echo 1 >ipv6/conf/all/forwarding
		echo 0 >ipv4/conf/default/accept_redirects
		echo 2 >ipv4/conf/va/rp_filter
		echo 5 >ipv4/conf/va/arp_announce 2>/dev/null || echo 2 >ipv4/conf/va/arp_announce
		echo 9 >ipv6/conf/va/router_solicitation_interval
		echo 3 >ipv6/conf/va/router_solicitation_delay
		echo 55 >ipv6/conf/va/hop_limit
		echo 1 >ipv6/conf/tap7/disable_ipv6
		echo 33 >unix/max_dgram_qlen
		echo 5 50 >ipv4/ping_group_range
		true
	END
}

@test "net: nothing in it, and lo that is up" {
	start ns/net look true
	dump_and_restore
	check
	next_images 2
	rm -f "$TEST_DIR"/{ready,go,result}*
	start ns/net look "ip link set lo up"
	dump_and_restore
	check
}

@test "net: interfaces upon others, addresses, routes, rules, neighbours, filters, settings" {
	local step

	start ns/net look "$(rich)"
	dump --leave-running
	dump
	ip addr showdump <"$IMAGES"/ifaddr-*.img | grep -q 'inet 10.1.0.7/24' || fail "$(ip addr showdump <"$IMAGES"/ifaddr-*.img)"
	ip route showdump <"$IMAGES"/route-*.img | grep -q 'default via 10.1.0.254 dev' || fail "$(ip route showdump <"$IMAGES"/route-*.img)"
	until_true is_gone
	for step in namespaces make finish; do
		run timeout 60 "$STASIS" restore -d -D "$IMAGES" --inject-fault "$step"
		[ "$status" = 1 ] || fail "$output"
		nothing_left
	done
	restore
	next_images 2
	dump_and_restore
	check
}

@test "net: what has been taken away does not come back" {
	start ns/net look "set -e; ip link set lo up; ip link add name va type veth peer name vb; ip link set va up; ip link set vb up
		ip address add 10.1.0.1/24 dev va; ip route del 10.1.0.0/24; ip address del 127.0.0.1/8 dev lo; true
		ip -6 address flush dev vb; ip rule del priority 32766; ip rule add priority 7 table main"
	dump_and_restore
	check
}

@test "net: hundreds of interfaces and routes" {
	# shellcheck disable=SC2016 # expanded by the shell that it is for
	start ns/net look 'set -e
		for i in $(seq 60); do
			echo "link add name ya$i type veth peer name yb$i"
			echo "link set ya$i up"
			echo "link set yb$i up"
			echo "address add 10.0.$i.1/24 dev ya$i"
		done >$TEST_DIR/batch
		for i in $(seq 500); do
			echo "route add 20.$((i / 250)).$((i % 250)).0/24 via 10.0.1.2"
		done >>$TEST_DIR/batch
		ip -batch $TEST_DIR/batch
		true'
	dump_and_restore
	check
}

# refuses_net SETUP SENTENCE
refuses_net()
{
	rm -f "$TEST_DIR"/{ready,go,result}*
	start ns/net look "$1"
	refuse "cannot dump $PID: the net namespace of pid $PID: $2, or leave the network to others with --empty-ns net"
}

@test "net: what is not supported is refused by name" {
	refuses_net "ip link add name vx type vxlan id 5 dstport 4789" \
		"the interface 'vx' is of the kind 'vxlan', which is not supported yet; remove it"
	refuses_net "ip link add name va type veth peer name vb; ip link set va up; tc qdisc add dev va root handle 1: pfifo" \
		"the interface 'va' has a queueing discipline ('pfifo'), which is not supported yet; remove it by 'tc qdisc del'"
	refuses_net "ip link add name va type veth peer name vb; ip link set va up; ip link set vb up; ip nexthop add id 5 dev va; ip route add 10.9.0.0/16 nhid 5" \
		"it has routes by nexthop objects, which are not supported yet; use plain routes"
	unshare -n ip xfrm policy 2>/dev/null || return 0
	refuses_net "ip xfrm policy add src 10.0.0.0/24 dst 10.1.0.0/24 dir out" \
		"it has states or policies of IPsec, which are not supported; remove them by 'ip xfrm'"
}
