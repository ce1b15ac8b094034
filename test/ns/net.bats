load ../lib
load ../rpc/rpc

# A namespace that others look after.
given()
{
	NS=stn$$-$BATS_TEST_NUMBER
	ip netns add "$NS" || skip "there are no network namespaces"
	eval "given_$(declare -f teardown)"
	teardown()
	{
		kill_all
		ip netns del "$NS" || true
		given_teardown
	}
	launch nsenter --net=/run/netns/"$NS" "$BUILD/test/ns/net" "$@"
	wait_ready
	INODE=$(stat -L -c %i "/proc/$PID/ns/net")
}

# Where the program lives by now.
lives_in()
{
	[ "$(stat -L -c %i "/proc/$PID/ns/net")" = "$1" ] || fail "it lives in $(readlink "/proc/$PID/ns/net")"
}

# says SENTENCE COMMAND...: it fails, and says this.
says_of()
{
	run "$STASIS" "${@:2}"
	if [ "$status" = 0 ] || [ "$output" != "$1" ]; then fail "'${*:2}' says: $output"; fi
}

@test "net: options that are wrong" {
	says_of "option '--join-ns': 'net:/none': find '/none': No such file or directory" restore -Jnet:/none
	says_of "option '--join-ns mnt:1' is not supported yet: a tree can be put into namespaces of the kinds net, uts, ipc and time" restore -Jmnt:1
	for words in "restore -Jnet" "dump -t 1 --empty-ns uts" "dump -t 1 --external net[5]" "restore --veth-pair eth0" \
		"restore --external macvlan[x]:none"; do
		# shellcheck disable=SC2086
		run "$STASIS" $words
		[ "$status" = 1 ] && [[ $output = *"option '--"* ]] || fail "$words: $output"
	done
}

@test "net: --empty-ns, with sockets of all kinds" {
	start ns/net sockets
	dump_and_restore --empty-ns net --tcp-established
	! lives_in "$(stat -L -c %i /proc/self/ns/net)" 2>/dev/null || fail "it is in ours"
	[ -z "$(ls "$IMAGES"/netdev* "$IMAGES"/ifaddr* 2>/dev/null)" ] || fail "$(ls "$IMAGES")"
	check
}

@test "net: --empty-ns on one side only" {
	start ns/net sockets
	dump --empty-ns net --tcp-established
	until_true is_gone
	run "$STASIS" restore -d -D "$IMAGES" --tcp-established
	[ "$output" = "cannot restore '$IMAGES': ns/net: the images have a network namespace without what was in it; use --empty-ns net, as at the dump" ] || fail "$output"
	nothing_left
}

@test "net: --external, given back by --inherit-fd or --join-ns" {
	given sockets here
	dump --external "net[$INODE]:aNet" --tcp-established
	until_true is_gone
	run "$STASIS" restore -d -D "$IMAGES" --tcp-established
	[ "$output" = "cannot restore '$IMAGES': ns/net: the network namespace 'aNet' is not of the images; say which one it is with --inherit-fd 'fd[N]:aNet' or --join-ns net:FILE" ] || fail "$output"
	run "$STASIS" restore -d -D "$IMAGES" --tcp-established --inherit-fd 'fd[9]:aNet' 9</dev/null
	[ "$output" = "cannot restore '$IMAGES': ns/net: descriptor 9 (--inherit-fd) is no network namespace" ] || fail "$output"
	restore --tcp-established --inherit-fd 'fd[9]:aNet' 9</run/netns/"$NS"
	lives_in "$INODE"
	next_images 2
	dump --external "net[$INODE]:aNet" --tcp-established
	until_true is_gone
	[[ $(nsenter --net=/run/netns/"$NS" nft list ruleset) = *CRIU-* ]] || fail "nothing blocks its connections"
	restore --tcp-established --join-ns "net:/run/netns/$NS"
	lives_in "$INODE"
	[ -z "$(nsenter --net=/run/netns/"$NS" nft list ruleset)" ] || fail "a lock is left"
	check
}

@test "net: a tree of ours is put into another one" {
	given sockets here
	kill_all
	rm -f "$TEST_DIR"/ready*
	start task/comm
	dump
	until_true is_gone
	restore --join-ns "net:/run/netns/$NS"
	lives_in "$INODE"
	check
}

@test "net: a dump that leaves the tree running, fails or is killed leaves no lock" {
	given sockets here
	dump --external "net[$INODE]:aNet" --tcp-established --leave-running
	for step in "network lock" files images network; do
		run "$STASIS" dump -t "$PID" -D "$IMAGES" --external "net[$INODE]:aNet" --tcp-established --inject-fault "$step"
		[ "$status" = 1 ] || fail "$output"
		[ -z "$(nsenter --net=/run/netns/"$NS" nft list ruleset)" ] || fail "a lock is left"
	done
	# shellcheck disable=SC2016 # expanded by that shell
	printf '#!/bin/sh\n[ "$CRTOOLS_SCRIPT_ACTION" != post-dump ] || { sleep 3 & kill -KILL $PPID; }\n' >"$TEST_DIR/kill.sh"
	chmod +x "$TEST_DIR/kill.sh"
	run "$STASIS" dump -t "$PID" -D "$IMAGES" --external "net[$INODE]:aNet" --tcp-established --action-script "$TEST_DIR/kill.sh"
	[ "$status" != 0 ] || fail "it was not killed"
	[ -z "$(nsenter --net=/run/netns/"$NS" nft list ruleset)" ] || fail "a lock is left"
	check
}

# --- notifications

@test "net: what runc sends, and what it is told" {
	start ns/net sockets
	# What docker does: it looks at the namespace of the process, and sets the network up.
	cat >"$TEST_DIR/hook" <<-'END'
		#!/bin/sh
		[ "$1" = setup-namespaces ] || exit 0
		readlink "/proc/$2/ns/net" >"$TEST_DIR/hook.ns"
		nsenter --net="/proc/$2/ns/net" ip link add inner type bridge
	END
	chmod +x "$TEST_DIR/hook"
	ask swrk "$(runc_dump '"empty_ns":1073741824,"tcp_established":1')"
	says 'notify pre-dump' 'notify network-lock' 'notify query-ext-files' 'notify post-dump' 'DUMP ok dump.restored=False' 'exit 0'
	until_true is_gone
	ask --run "$TEST_DIR/hook" swrk "$(runc_restore '"empty_ns":1073741824,"tcp_established":1')"
	says 'notify pre-restore' "notify setup-namespaces pid $PID" 'notify post-setup-namespaces' "notify post-restore pid $PID" \
		'notify network-unlock' 'notify pre-resume' 'notify post-resume' "RESTORE ok restore.pid=$PID" 'exit 0'
	[ "$(cat "$TEST_DIR/hook.ns")" = "$(readlink "/proc/$PID/ns/net")" ] || fail "$(cat "$TEST_DIR/hook.ns")"
	nsenter -t "$PID" --net ip link show inner >/dev/null
	check
}

@test "net: what runc sends where podman looks after the network" {
	given sockets here
	ask swrk "$(runc_dump '"tcp_established":1,"external":["net['"$INODE"']:extRootNetNS"]')"
	says 'notify pre-dump' 'notify network-lock' 'notify query-ext-files' 'notify post-dump' 'DUMP ok dump.restored=False' 'exit 0'
	until_true is_gone
	exec 9</run/netns/"$NS"
	ask --pass-fd 9 swrk "$(runc_restore '"tcp_established":1,"inherit_fd":[{"fd":9,"key":"extRootNetNS"}]')"
	exec 9<&-
	says 'notify pre-restore' "notify setup-namespaces pid $PID" 'notify post-setup-namespaces' "notify post-restore pid $PID" \
		'notify network-unlock' 'notify pre-resume' 'notify post-resume' "RESTORE ok restore.pid=$PID" 'exit 0'
	lives_in "$INODE"
	check
}

@test "net: a client is told of the lock's end if the tree goes on" {
	start ns/net sockets
	ask swrk "$(runc_dump '"empty_ns":1073741824,"tcp_established":1,"leave_running":1')"
	says 'notify pre-dump' 'notify network-lock' 'notify query-ext-files' 'notify post-dump' 'notify network-unlock' \
		'DUMP ok dump.restored=False' 'exit 0'
	ask swrk "$(runc_dump '"empty_ns":1073741824')"
	says 'notify pre-dump' 'notify network-lock' 'notify query-ext-files' 'notify network-unlock' 'DUMP failed *' 'exit 1'
	ask --refuse network-lock swrk "$(runc_dump '"empty_ns":1073741824,"tcp_established":1')"
	says 'notify pre-dump' 'notify network-lock' 'notify network-unlock' 'DUMP failed *' 'exit 1'
	check
}

@test "net: a client that refuses namespaces gets no tree" {
	start ns/net sockets
	ask swrk "$(runc_dump '"empty_ns":1073741824,"tcp_established":1')"
	until_true is_gone
	ask --refuse setup-namespaces swrk "$(runc_restore '"empty_ns":1073741824,"tcp_established":1')"
	says 'notify pre-restore' "notify setup-namespaces pid $PID" 'RESTORE failed *' 'exit 1'
	nothing_left
	restore --empty-ns net --tcp-established
	check
}
