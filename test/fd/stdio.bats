load ../lib

# Both ends are ours meanwhile, so that nobody waits for anybody.
start_with_pipes()
{
	mkfifo "$TEST_DIR/in" "$TEST_DIR/out.pipe"
	exec 7<>"$TEST_DIR/in" 8<>"$TEST_DIR/out.pipe"
	(
		cat <&7 7>&- 8>&- 3>&- | setsid env VICTIM_READY="$TEST_DIR/ready" VICTIM_GO="$TEST_DIR/go" \
			VICTIM_RESULT="$TEST_DIR/result" "$BUILD/test/fd/stdio" 7>&- 8>&- 3>&- 2>>"$TEST_DIR/err" | cat >&8 7<&- 3>&-
	) &
	echo one >&7
	PID=$$
	wait_ready
	PID=$(cat "$TEST_DIR/ready.1")
}

key_of()
{
	readlink "/proc/$PID/fd/$1"
}

@test "stdio: pipes to others are given by --inherit-fd" {
	start_with_pipes
	in=$(key_of 0)
	out=$(key_of 1)
	dump
	mkfifo "$TEST_DIR/in.2" "$TEST_DIR/out.2"
	exec 5<>"$TEST_DIR/in.2" 6<>"$TEST_DIR/out.2"
	restore --inherit-fd "fd[5]:$in" --inherit-fd "fd[6]:$out"
	echo two >&5
	check
	read -r line <&6
	[ "$line" = "after: two" ]
	exec 5>&- 6>&- 7>&- 8>&-
}

@test "stdio: a pipe to somebody outside that is not given has nobody at its end, and a warning says so" {
	start_with_pipes
	out=$(key_of 1)
	in=$(key_of 0)
	dump
	run "$STASIS" restore -d -D "$IMAGES"
	[ "$status" = 0 ]
	[[ "$output" == *"$out: its other end was outside of the tree, so nobody has it now; --inherit-fd 'fd[N]:$out' connects it"* ]]
	[[ "$output" == *"$in: its other end"* ]]
	touch "$TEST_DIR/go.1"
	until_true is_gone # of SIGPIPE
	exec 7>&- 8>&-
}

@test "stdio: a file is replaced by --inherit-fd" {
	echo one >"$TEST_DIR/input"
	VICTIM_READY=$TEST_DIR/ready VICTIM_GO=$TEST_DIR/go VICTIM_RESULT=$TEST_DIR/result setsid "$BUILD/test/fd/stdio" \
		<"$TEST_DIR/input" >"$TEST_DIR/output" 2>>"$TEST_DIR/err" 3>&- &
	PID=$!
	wait_ready
	dump
	echo two >"$TEST_DIR/other"
	exec 5<"$TEST_DIR/other"
	restore --inherit-fd "fd[5]:${TEST_DIR#/}/input"
	check
	[ "$(cat "$TEST_DIR/output")" = "before: one
after: two" ]
	exec 5>&-
}
