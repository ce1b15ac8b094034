# Namespaces that somebody else has made: --join-ns, and a pid namespace by --external and --inherit-fd.
load ../lib

# Somebody who lives in new namespaces; KEEPER is his number.
keep()
{
	launch unshare "$@" --fork "$BUILD/test/lib/reaper" sleep 600
	until_true grep -qs . "/proc/$PID/task/$PID/children" || skip "no such namespaces can be made"
	KEEPER=$(tr -d ' ' <"/proc/$PID/task/$PID/children")
	until_true is_sleeping
}

is_sleeping()
{
	[ "$(cat "/proc/$KEEPER/comm")" = reaper ]
}

shared()
{
	[ "$(readlink "/proc/$1/ns/$2")" = "$(readlink "/proc/$KEEPER/ns/$2")" ]
}

left()
{
	nsenter -t "$KEEPER" --ipc sh -c 'ipcs -q -s | grep "^0x"' || true
}

@test "join: a tree comes into IPC and UTS namespaces that are there, with its objects" {
	keep --ipc --uts
	nsenter -t "$KEEPER" --uts hostname joined
	start ns/ipc_queues
	dump
	until_true is_gone
	for step in make state finish; do
		run timeout 60 "$STASIS" restore -d -D "$IMAGES" --join-ns "ipc:$KEEPER" --inject-fault "$step"
		[ "$status" = 1 ] || fail "$output"
		[ -z "$(left)" ] || fail "left after '$step': $(left)"
	done
	mkdir "$TEST_DIR/mqueue"
	nsenter -t "$KEEPER" --ipc unshare -m sh -c "mount -t mqueue none '$TEST_DIR/mqueue' && [ -z \"\$(ls '$TEST_DIR/mqueue')\" ]" || fail "queues are left"
	run timeout 60 "$STASIS" restore -d -D "$IMAGES" --join-ns "ipc:$KEEPER" --join-ns "uts:/proc/$KEEPER/ns/uts"
	[ "$status" = 1 ] || fail "$output"
	[[ $output = *"the message queue '/named' is gone, with the 10 messages that were in it when it was dumped" ]] || fail "$output"
	rm -f "$TEST_DIR"/{ready,go,result}*
	start task/sysvipc
	dump
	until_true is_gone
	restore --join-ns "ipc:$KEEPER" --join-ns "uts:/proc/$KEEPER/ns/uts"
	shared "$PID" ipc || fail "it lives in another IPC namespace"
	shared "$PID" uts || fail "it lives in another UTS namespace"
	check
}

@test "join: what cannot be joined is refused" {
	run "$STASIS" restore -D "$IMAGES" --join-ns uts:/none
	[[ $output = *"option '--join-ns': 'uts:/none': find '/none': No such file or directory"* ]] || fail "$output"
	run "$STASIS" restore -D "$IMAGES" --join-ns pid:1
	[[ $output = *"a tree cannot be put into a pid namespace by 'pid:1'; dump it with --external pid[INODE]:NAME"* ]] || fail "$output"
	run "$STASIS" restore -D "$IMAGES" --join-ns house:1
	[[ $output = *"'house' is no kind of namespace"* ]] || fail "$output"
	start task/comm
	dump
	until_true is_gone
	run "$STASIS" restore -d -D "$IMAGES" --join-ns uts:/proc/self/ns/ipc
	[[ $output = *"'/proc/self/ns/ipc' (--join-ns) is no uts namespace"* ]] || fail "$output"
}

# The program lives in the pid namespace of the keeper, and is not its first process.
start_there()
{
	keep --pid
	launch nsenter -t "$KEEPER" --pid setsid "$BUILD/test/$1"
	wait_ready
	PID=$(tr -d ' ' <"/proc/$PID/task/$PID/children")
	INODE=$(readlink "/proc/$PID/ns/pid" | tr -dc 0-9)
}

nobody_else()
{
	[ "$(pgrep -c --ns "$KEEPER" --nslist pid)" = 2 ]
}

@test "join: a pid namespace that is not the tree's" {
	start_there task/sigpending
	run "$STASIS" dump -t "$PID" -D "$IMAGES"
	[[ $output = "cannot dump $PID: the pid namespace of pid $PID: it is not the first process there, but number "*"; dump the tree of that one, or use --external pid[$INODE]:NAME" ]] || fail "$output"
	dump --external "pid[$INODE]:thePids"
	until_true is_gone
	run "$STASIS" restore -d -D "$IMAGES"
	[ "$output" = "cannot restore '$IMAGES': ns/pid: the pid namespace 'thePids' is not of the images; say which one it is with --inherit-fd 'fd[N]:thePids'" ] || fail "$output"
	run "$STASIS" restore -d -D "$IMAGES" --inherit-fd 'fd[9]:thePids' 9</proc/self/ns/uts
	[ "$output" = "cannot restore '$IMAGES': ns/pid: descriptor 9 ('thePids') is no pid namespace" ] || fail "$output"
	for step in tree memory finish; do
		run "$STASIS" restore -d -D "$IMAGES" --inherit-fd 'fd[9]:thePids' --inject-fault "$step" 9<"/proc/$KEEPER/ns/pid"
		[ "$status" = 1 ] || fail "$output"
		until_true nobody_else || fail "left after '$step': $(pgrep -a --ns "$KEEPER" --nslist pid)"
		is_sleeping
	done
	restore --inherit-fd 'fd[9]:thePids' --pidfile pid 9<"/proc/$KEEPER/ns/pid"
	PID=$(cat "$IMAGES/pid")
	shared "$PID" pid || fail "it lives in another pid namespace"
	check
	is_sleeping
}
