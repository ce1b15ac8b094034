# What does not fit is said before anything is touched, and what fails on the way leaves the program where it is.
load ../lib
load hosts

# stays SENTENCE [OPTIONS]: it does not move, and this is why; a pattern.
stays()
{
	local sentence=$1 status=0

	shift
	SAID=$(move a b "$@" 2>&1) || status=$?
	[ "$status" = 1 ] || fail "status $status: $SAID"
	# shellcheck disable=SC2053
	[[ $SAID = "cannot migrate $PID to 'b': "$sentence ]] || fail "it said: $SAID"
	until_true runs_on a || fail "it does not run any more"
	! on b "$STASIS" migrate --status | grep -qv aborted || fail "there is a record on b"
}

@test "migrate: all that does not fit, in one list" {
	hosts_begin
	start_on a mm/anon
	cp "$BUILD/test/mm/anon" "$TEST_DIR/other"
	objcopy --remove-section .note.gnu.build-id "$TEST_DIR/other"
	on b mount --bind "$TEST_DIR/other" "$BUILD/test/mm/anon"
	sed '/^root:/s/root/boss/' /etc/passwd >"$TEST_DIR/passwd"
	on b mount --bind "$TEST_DIR/passwd" /etc/passwd
	on b sh -c "echo $((PID - 1)) >/proc/sys/kernel/ns_last_pid; sleep 1000 & echo \$!" >"$TEST_DIR/taken" 2>&1 3>&-
	[ "$(cat "$TEST_DIR/taken")" = "$PID" ]
	stays "3 things do not fit there: pid $PID ('sleep') is in use; user 0 is 'boss', not 'root'; '$BUILD/test/mm/anon' has another size" --dry-run
	stays "3 things do not fit there:*"
	on b kill -9 "$PID"
	on b umount "$BUILD/test/mm/anon"
	on b umount /etc/passwd
	SAID=$(move a b --dry-run) || fail "$SAID"
	[ "$SAID" = "all that pid $PID needs is on b" ] || fail "$SAID"
	runs_on a
	moved a b
	check_on b
}

@test "migrate: what comes from the other side is no stasis" {
	hosts_begin
	start_on a mm/anon
	# shellcheck disable=SC2030,SC2031
	says()
	{
		printf '#!/bin/sh\n%s\n' "$1" >"$TEST_DIR/to-b"
	}
	says 'echo "Welcome to b, it is raining"'
	stays "what comes from the other side is no message of stasis: 'Welcome to b, it is raining'; nothing else may write there, such as a file of settings of the shell"
	says 'exit 1'
	stays "the other side has gone away"
	says 'head -c 100000 /dev/urandom; sleep 1'
	stays "what comes from the other side is no message of stasis: *"
	link_script b
	moved a b
	check_on b
}

@test "migrate: no room for a record, on either side" {
	hosts_begin
	start_on a mm/anon
	for host in b a; do
		mkdir -p "$TEST_DIR/state.$host/stasis/migrate"
		on $host mount -t tmpfs -o size=16k none "$TEST_DIR/state.$host/stasis/migrate"
		on $host sh -c "cat /dev/zero >'$TEST_DIR/state.$host/stasis/migrate/full' 2>/dev/null" || true
		stays "*the record of migration *: make room for it: No space left on device"
		on $host umount "$TEST_DIR/state.$host/stasis/migrate"
	done
	moved a b
	check_on b
}

@test "migrate: words that make no sense" {
	local said

	for words in "" "1" "1 b --freeze=cow" "1 b --mode=cow" "--status x" "--abort 0123456789abcdef" "--status --resume 1" \
		"1 -oProxyCommand=x" "1 b --force"; do
		# shellcheck disable=SC2086
		said=$("$STASIS" migrate $words 2>&1 3>&- </dev/null) && fail "'$words': $said"
		[ -n "$said" ] || fail "'$words': nothing was said"
	done
	said=$("$STASIS" migrate no_such_command_x b 2>&1) && fail "$said"
	[ "$said" = "cannot migrate 'no_such_command_x': the processes called 'no_such_command_x': there is no such process" ] || fail "$said"
	said=$("$STASIS" migrate no_such.service b 2>&1) && fail "$said"
	[ "$said" = "cannot migrate 'no_such.service': the unit 'no_such.service' does not run" ] || fail "$said"
}

@test "migrate: a tree with mounts of its own" {
	hosts_begin
	start_on a ns/mnt basic
	stays "*the mnt namespace of pid $PID: its mounts cannot be migrated yet; dump it, copy the images and restore them"
	check_on a
}
