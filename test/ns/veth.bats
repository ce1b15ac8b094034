load ../lib
load ../net

# The program has a network namespace of its own. Its veth leads into a bridge of another one, HERE, in which stasis and its peers live.
outside()
{
	HERE=sto$$-$BATS_TEST_NUMBER
	ip netns add "$HERE" || skip "there are no network namespaces"
	here ip link set lo up
	here ip link add br0 type bridge
	here ip address add 10.98.0.2/24 dev br0
	here ip link set br0 up
	printf '#!/bin/sh\nexec nsenter --net=/run/netns/%s "%s" "$@"\n' "$HERE" "$STASIS" >"$TEST_DIR/stasis"
	chmod 0755 "$TEST_DIR/stasis"
	STASIS=$TEST_DIR/stasis
	cat >"$TEST_DIR/inside" <<-END
		#!/bin/sh
		set -e
		ip link add eth0 address 02:00:00:00:00:01 type veth peer name outer netns /run/netns/$HERE
		nsenter --net=/run/netns/$HERE ip link set outer master br0 up
		ip address add 10.98.0.1/24 dev eth0
		ip link set lo up
		ip link set eth0 up
		ip route add default via 10.98.0.2
		nft add table inet mine
		exec "\$@"
	END
	chmod 0755 "$TEST_DIR/inside"
}

net_end()
{
	kill_all
	[ -z "${HERE:-}" ] || ip netns del "$HERE" || true
}

# start_inside COMMAND...
start_inside()
{
	launch nsenter --net=/run/netns/"$HERE" unshare --net "$TEST_DIR/inside" "$@"
	wait_ready
}

wire_is_up()
{
	[[ $(here ip -o link show outer 2>/dev/null) = *"state UP"* ]]
}

# A peer in HERE that sends and is sent to all the while.
start_with_peer()
{
	launch nsenter --net=/run/netns/"$HERE" unshare --net "$TEST_DIR/inside" "$BUILD/test/fd/tcp" "$1" 10.98.0.1 7001 7002
	until_true wire_is_up || fail "no wire"
	VICTIM_RESULT=$TEST_DIR/peer here "$BUILD/test/fd/tcp" peer "$TEST_DIR/stop" 10.98.0.1 7001 7002 3>&- &
	wait_ready
}

back()
{
	restore --tcp-established --external veth[eth0]:outer@br0
}

# Nothing that a restore makes is there: with a namespace its veth would be.
nothing_made()
{
	local links

	nothing_left
	links=$(here ip -o link show)
	[[ $links != *outer* && $links != *veth* ]] || fail "left after '$1': $links"
	[ -z "$(here nft list ruleset)" ] || fail "left after '$1': $(here nft list ruleset)"
}

@test "veth: a peer outside goes on sending while the tree is away" {
	outside
	start_with_peer 1
	dump --tcp-established
	until_true is_gone
	sleep 0.5
	back
	check_tcp
	[ -z "$(here nft list ruleset)" ] || fail "a lock is left"
}

@test "veth: twice, and a dump that leaves the tree running" {
	outside
	start_with_peer 2
	dump --tcp-established --leave-running
	go
	dump --tcp-established
	until_true is_gone
	back
	next_images 3
	dump --tcp-established
	until_true is_gone
	back
	check_tcp
}

@test "veth: a name that is taken outside, or a bridge that is not there" {
	outside
	start_inside "$BUILD/test/task/comm"
	dump
	until_true is_gone
	until_true here ip link add outer type bridge 2>/dev/null || fail "the namespace does not end"
	run "$STASIS" restore -d -D "$IMAGES" --external 'veth[eth0]:outer@br0'
	[ "$output" = "cannot restore '$IMAGES': ns/net: the name 'outer' for the other end of the veth 'eth0' is taken; remove that interface, or give another name with --external 'veth[eth0]:NAME'" ] || fail "$output"
	here ip link del outer
	nothing_made taken
	run "$STASIS" restore -d -D "$IMAGES" --veth-pair eth0=outer@br7
	[ "$output" = "cannot restore '$IMAGES': ns/net: the bridge 'br7' for the other end of the veth 'eth0': No such device" ] || fail "$output"
	until_true nothing_made bridge >/dev/null || nothing_made bridge
	restore
	check
}

# What a script does to whoever has called it.
killing_script()
{
	# shellcheck disable=SC2016 # expanded by that shell
	printf '#!/bin/sh\n[ "$CRTOOLS_SCRIPT_ACTION" != %s ] || kill -KILL $PPID\n' "$1" >"$TEST_DIR/kill.sh"
	chmod +x "$TEST_DIR/kill.sh"
}

@test "veth: a restore that fails, or is killed, leaves nothing behind" {
	local step event

	outside
	start_inside "$BUILD/test/task/comm"
	dump
	until_true is_gone
	for step in namespaces make tree files network; do
		run timeout 60 "$STASIS" restore -d -D "$IMAGES" --external veth[eth0]:outer@br0 --inject-fault "$step"
		[ "$status" = 1 ] || fail "$output"
		until_true nothing_made "$step" >/dev/null || nothing_made "$step"
	done
	for event in setup-namespaces post-setup-namespaces post-restore; do
		killing_script "$event"
		run timeout 60 "$STASIS" restore -d -D "$IMAGES" --external veth[eth0]:outer@br0 --action-script "$TEST_DIR/kill.sh"
		[ "$status" = 137 ] || fail "$status: $output"
		until_true nothing_made "$event" >/dev/null || nothing_made "$event"
	done
	restore --external veth[eth0]:outer@br0
	check
}

@test "veth: renamed between two dumps" {
	outside
	start_inside "$BUILD/test/task/comm"
	nsenter -t "$PID" --net sh -c 'ip link set eth0 down; ip link set eth0 name wire5; ip link set wire5 up'
	dump
	until_true is_gone
	restore --external veth[wire5]:outer
	nsenter -t "$PID" --net ip -o address show dev wire5 | grep -q 10.98.0.1/24
	here ip link show outer >/dev/null
	check
}
