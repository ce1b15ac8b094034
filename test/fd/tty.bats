load ../lib

@test "tty: both ends, settings, unread bytes, sessions and groups" {
	start fd/tty
	dump_and_restore
	check
}

@test "tty: a dump that leaves the program running changes nothing" {
	start fd/tty
	dump --leave-running
	check
}

# A program in a terminal that 'script' has the other end of; what it says goes into a file.
start_in_terminal()
{
	launch script -qefc "bash -c '$BUILD/test/fd/tty_job $1 <&1 & wait'" "$TEST_DIR/before"
	wait_ready
	PID=$(cat "$TEST_DIR/ready.$ROUND")
}

# The restorer's own terminal is another one.
restore_in_terminal()
{
	launch script -qefc "$STASIS restore -D $IMAGES -v4 -o restore.log $*" "$TEST_DIR/after"
	PID=$(cat "$TEST_DIR/ready.$ROUND")
	until_true runs "$PID"
}

@test "tty: a shell job goes on in the terminal that it is restored in" {
	start_in_terminal
	dump --shell-job
	restore_in_terminal --shell-job
	check
	until_true grep -q "said by the child" "$TEST_DIR/after"
}

@test "tty: a terminal from outside is refused" {
	start_in_terminal session
	device=$(printf 'tty[%x:%x]' "$(($(stat -Lc '0x%t' "/proc/$PID/fd/0") * 256 + $(stat -Lc '0x%T' "/proc/$PID/fd/0")))" \
		"$(stat -Lc %d "/proc/$PID/fd/0")")
	name=$(readlink "/proc/$PID/fd/0")
	refuse "cannot dump $PID: fd 0 (tty) of pid $PID: '$name' is a terminal from outside of the tree; use --shell-job for a job started from a shell, or --external '$device'"
}

@test "tty: a terminal from outside is given back by --inherit-fd" {
	start_in_terminal session
	device=$(printf 'tty[%x:%x]' "$(($(stat -Lc '0x%t' "/proc/$PID/fd/0") * 256 + $(stat -Lc '0x%T' "/proc/$PID/fd/0")))" \
		"$(stat -Lc %d "/proc/$PID/fd/0")")
	dump --external "$device"
	run "$STASIS" restore -d -D "$IMAGES"
	[ "$status" = 1 ]
	[ "$output" = "cannot restore '$IMAGES': fd 0 (tty) of pid $PID: it is a terminal from outside of the tree; give one with --inherit-fd 'fd[N]:$device'" ]
	restore_in_terminal --inherit-fd "'fd[0]:$device'"
	check
	until_true grep -q "said by the child" "$TEST_DIR/after"
}

lines_said()
{
	grep -c 'line [0-9]' "$TEST_DIR/said" 2>/dev/null || true
}

has_lines()
{
	[ "0$(lines_said)" -ge "$1" ]
}

@test "tty: a terminal with everything in it, a loop that writes through a pipe" {
	launch script -qfc "bash -c 'while :; do echo line \$((++i)); sleep 0.02; done | cat -n'" "$TEST_DIR/said"
	until_true has_lines 5
	dump_and_restore
	until_true has_lines $(($(lines_said) + 5))
	grep -o 'line [0-9][0-9]*' "$TEST_DIR/said" | awk '$2 != NR { print "line " NR " is " $2; exit 1 }'
}
