# What goes along besides the tree: files, addresses; and by which way.
load ../lib
load hosts

# A folder that each host has its own of.
own_folders()
{
	OWN=$TEST_DIR/own
	mkdir "$OWN"
	on a mount -t tmpfs none "$OWN"
	on b mount -t tmpfs none "$OWN"
}

@test "migrate: files that are only here go along when that is asked for" {
	hosts_begin
	own_folders
	on a sh -c "echo first >'$OWN/log'; mkdir '$OWN/sub'; cp '$BUILD/test/mm/anon' '$OWN/sub/program'"
	on b sh -c "echo another >'$OWN/log'"
	# shellcheck disable=SC2016
	launch_on a bash -c 'exec 3>>"$1/log" 4<"$1/sub/program"; cd "$1/sub"; : >"$TEST_DIR/ready.1"
		while [ ! -e "$TEST_DIR/go.1" ]; do read -rt 0.02 <> <(:); done
		echo second >&3; cmp /proc/self/fd/4 "$2" && [ "$(cat "$1/log")" = "first
second" ] && echo ok >"$TEST_DIR/result.new" && mv "$TEST_DIR/result.new" "$TEST_DIR/result"' \
		sh "$OWN" "$BUILD/test/mm/anon"
	wait_ready_on a
	SAID=$(move a b 2>&1) && fail "it moved"
	[ "$SAID" = "cannot migrate $PID to 'b': 3 things do not fit there: '$OWN/log' has another size; '$OWN/sub' is missing; '$OWN/sub/program' is missing" ] ||
		fail "$SAID"
	# A migration that fails later leaves the files there as they were.
	SAID=$(move a b --with-files --inject-fault complete 2>&1) && fail "it moved"
	until_true nobody_takes || fail "receive does not end"
	[ "$(on b find "$OWN" -type f -printf '%f ' -exec cat {} +)" = "log another" ] || fail "$(on b find "$OWN")"
	runs_on a
	moved a b --with-files
	[ "$(on b find "$OWN" -name '*stasis*')" = "" ]
	check_on b
}

nobody_takes()
{
	! on b pgrep -f "stasis receive" >/dev/null
}

# A third host that both have a wire to, as they have to each other.
client_begin()
{
	host_begin c
	on a ip link del wire
	on c ip link add bridge type bridge
	on c ip link set bridge up
	on c ip address add 10.98.0.3/24 dev bridge
	for name in a b; do
		local host=HOST_$name
		ip link add wire netns /proc/"${!host}"/ns/net type veth peer name "to$name" netns /proc/"$HOST_c"/ns/net
		on $name ip link set wire up
		on c ip link set to$name master bridge up
	done
	on a ip address add 10.98.0.1/24 dev wire
	on b ip address add 10.98.0.2/24 dev wire
	on a ip address add 10.98.0.10/24 dev wire
}

peer_has_result()
{
	[ -s "$TEST_DIR/peer" ]
}

# The link itself is none of the network here, so only the connections show where the address is.
@test "migrate: an address and its connections, to a client that goes on" {
	hosts_begin
	client_begin
	start_on_with_peer 10.98.0.10 7000
	SAID=$(move a b 2>&1) && fail "it moved"
	[[ $SAID = "cannot migrate $PID to 'b': fd "*" of pid $PID: the connection tcp 10.98.0.10:7000 "*" would not find its way to another machine; --move-address DEV/ADDRESS takes the address along, --tcp-close closes connections" ]] ||
		fail "$SAID"
	moved a b --move-address wire/10.98.0.10
	[ -z "$(on a ip -o address show to 10.98.0.10)" ]
	sleep 0.5
	moved b a --move-address wire/10.98.0.10
	[ -z "$(on b ip -o address show to 10.98.0.10)" ]
	sleep 0.5
	touch "$TEST_DIR/stop"
	check_on a
	until_true peer_has_result || fail "the peer does not end"
	[ "$(cat "$TEST_DIR/peer")" = ok ] || fail "the peer says: $(cat "$TEST_DIR/peer")"
	for name in a b; do
		[[ $(on $name nft list ruleset) != *table* ]] || fail "a lock is left on $name"
	done
}

# start_on_with_peer ADDRESS PORT
start_on_with_peer()
{
	launch_on a "$BUILD/test/fd/tcp" 1 "$@"
	VICTIM_RESULT=$TEST_DIR/peer on c "$BUILD/test/fd/tcp" peer "$TEST_DIR/stop" "$@" 3>&- &
	wait_ready_on a
}

@test "migrate: by ssh, as it comes, to a real sshd" {
	[ -x /usr/sbin/sshd ] || skip "there is no sshd"
	hosts_begin
	ssh-keygen -q -t ed25519 -N '' -f "$TEST_DIR/key"
	ssh-keygen -q -t ed25519 -N '' -f "$TEST_DIR/host_key"
	cp "$TEST_DIR/key.pub" "$TEST_DIR/authorized"
	cat >"$TEST_DIR/sshd_config" <<-END
		ListenAddress 10.98.0.2
		Port 2222
		HostKey $TEST_DIR/host_key
		AuthorizedKeysFile $TEST_DIR/authorized
		PidFile none
		PermitRootLogin yes
		StrictModes no
		UsePAM no
		SetEnv XDG_STATE_HOME=$TEST_DIR/state.b TEST_DIR=$TEST_DIR
	END
	cat >"$TEST_DIR/ssh_config" <<-END
		Host it
		HostName 10.98.0.2
		Port 2222
		User root
		IdentityFile $TEST_DIR/key
		IdentitiesOnly yes
		BatchMode yes
		StrictHostKeyChecking no
		UserKnownHostsFile /dev/null
		LogLevel ERROR
	END
	# Whatever the settings of this machine's shell do is none of the test.
	sed '/^root:/s|:[^:]*$|:/bin/sh|' /etc/passwd >"$TEST_DIR/passwd"
	on b mount --bind "$TEST_DIR/passwd" /etc/passwd
	on b sh -c 'mkdir -p /run/sshd; mount -t tmpfs -o mode=755 none /run/sshd'
	on b /usr/sbin/sshd -D -e -f "$TEST_DIR/sshd_config" </dev/null >"$TEST_DIR/sshd.log" 2>&1 3>&- &
	until_true grep -q listening "$TEST_DIR/sshd.log" || fail "$(cat "$TEST_DIR/sshd.log")"
	start_on a mm/anon
	SAID=$(on a "$STASIS" migrate anon it -e "ssh -F '$TEST_DIR/ssh_config'" --remote-program "$STASIS" --timeout "$TIMEOUT" \
		-o "$TEST_DIR/migrate.log" 3>&- 2>&1) || fail "$SAID; $(cat "$TEST_DIR/sshd.log")"
	[[ $SAID = "moved to it: "* ]] || fail "$SAID"
	is_not_on a
	check_on b
}

@test "migrate: events for a program, and a bandwidth that is kept" {
	local took

	hosts_begin
	start_on a safety/large 8
	took=${EPOCHREALTIME/./}
	SAID=$(move a b --json --bandwidth=4M --compress=none --mode=stop) || fail "$SAID"
	took=$((${EPOCHREALTIME/./} - took))
	[ "$took" -gt 1500000 ] || fail "8 MiB took $took us"
	python3 -c '
import json, sys
events = [json.loads(line) for line in sys.stdin]
names = [e["event"] for e in events if e["event"] != "progress"]
assert names == ["checked", "last round", "ready", "given", "owned", "moved"], names
assert any(e["event"] == "progress" and e["rate"] > 0 for e in events), events
assert events[-1]["bytes"] > 8 << 20 and events[-1]["downtime_us"] > 1000000, events[-1]
' <<<"$SAID"
	check_on b
}
