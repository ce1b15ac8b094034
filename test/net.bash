# Two network namespaces with a wire between them. The program lives in one of them, and so does stasis; its peers in the other one, so
# that packets are really on their way. Load it behind lib; call net_begin before start.

eval "lib_$(declare -f teardown)"
eval "lib_$(declare -f started)"

teardown()
{
	net_end
	lib_teardown
}

# All that lives in the two, too: a server that shows a title of its own has no environment any more.
started()
{
	{
		lib_started
		[ -z "${HERE:-}" ] || ip netns pids "$HERE"
		[ -z "${THERE:-}" ] || ip netns pids "$THERE"
	} 2>/dev/null | sort -un
}

net_begin()
{
	HERE=sta$$-$BATS_TEST_NUMBER THERE=stb$$-$BATS_TEST_NUMBER
	ip netns add "$HERE" || skip "there are no network namespaces"
	ip netns add "$THERE"
	ip link add wire netns "$HERE" type veth peer name wire netns "$THERE" || skip "this kernel has no veth"
	here nft add table inet try || skip "this kernel has no nftables"
	here nft delete table inet try
	ip -n "$HERE" address add 10.99.0.1/24 dev wire
	ip -n "$THERE" address add 10.99.0.2/24 dev wire
	ip -n "$HERE" address add fd99::1/64 dev wire nodad
	ip -n "$THERE" address add fd99::2/64 dev wire nodad
	for dev in wire lo; do
		ip -n "$HERE" link set "$dev" up
		ip -n "$THERE" link set "$dev" up
	done
	# All that is started by its path is started there, stasis too.
	printf '#!/bin/sh\nexec nsenter --net=/run/netns/%s "%s" "$@"\n' "$HERE" "$STASIS" >"$TEST_DIR/stasis"
	chmod 0755 "$TEST_DIR/stasis"
	STASIS=$TEST_DIR/stasis
}

net_end()
{
	[ -n "${HERE:-}" ] || return 0
	kill_all
	ip netns del "$HERE" || true
	ip netns del "$THERE" || true
}

here()
{
	nsenter --net=/run/netns/"$HERE" "$@"
}

there()
{
	nsenter --net=/run/netns/"$THERE" "$@"
}

# start_here fd/tcp [ARGUMENTS]: as start does.
start_here()
{
	local program=$1

	shift
	launch nsenter --net=/run/netns/"$HERE" "$BUILD/test/$program" "$@"
	wait_ready
}

# Nothing blocks any connection here.
no_lock()
{
	local rules

	rules=$(here nft list ruleset)
	[[ $rules != *stasis-* && $rules != *CRIU-* ]] || fail "a lock is left: $rules"
}

# start_tcp ROUNDS ADDRESS PORT...: a program with connections, and its peer, which goes on until the file 'stop' is there.
start_tcp()
{
	launch nsenter --net=/run/netns/"$HERE" "$BUILD/test/fd/tcp" "$@"
	VICTIM_RESULT=$TEST_DIR/peer there "$BUILD/test/fd/tcp" peer "$TEST_DIR/stop" "${@:2}" 3>&- &
	wait_ready
}

peer_has_result()
{
	[ -s "$TEST_DIR/peer" ]
}

# check_tcp: both sides have got all that was sent.
check_tcp()
{
	touch "$TEST_DIR/stop"
	check
	until_true peer_has_result || fail "the peer does not end"
	[ "$(cat "$TEST_DIR/peer")" = ok ] || fail "the peer says: $(cat "$TEST_DIR/peer")"
}
