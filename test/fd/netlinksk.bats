load ../lib

sentence()
{
	echo "cannot dump $PID: fd 3 (netlinksk) of pid $PID: $1"
}

@test "netlinksk: numbers, groups, options, destinations" {
	start fd/netlinksk
	dump_and_restore
	check
}

@test "netlinksk: a dump that leaves the program running changes nothing" {
	start fd/netlinksk
	dump --leave-running
	check
}

@test "netlinksk: an unread message is refused, and is still there" {
	start fd/netlinksk_odd unread
	refuse "$(sentence "messages wait in it that were not read yet, which is not supported; try again when the program has read it")"
}

@test "netlinksk: losses that are still to be reported are refused, and are still reported" {
	start fd/netlinksk_odd lost
	refuse "$(sentence "it has lost messages, which is still to be reported to it, which is not supported; try again when the program has read it")"
}

@test "netlinksk: a listener for events of processes is refused" {
	start fd/netlinksk_odd events
	refuse "$(sentence "it may be told of processes (proc connector), which only the kernel knows; let the program close it before the dump")"
}

@test "netlinksk: a number that somebody else has by now" {
	[ -z "${PLAIN:-}" ] || skip "nothing is saved"
	start fd/netlinksk
	dump
	until_true is_gone
	first=$PID
	rm "$TEST_DIR/ready.1"
	launch "$BUILD/test/fd/netlinksk_odd" taken $((0x40000000 + first))
	wait_ready
	said=$("$STASIS" restore -d -D "$IMAGES" 2>&1) && fail "it was restored"
	[[ $said = *"(netlinksk) of pid $first: give it its number, $((0x40000000 + first)): Address already in use; another socket has it by now; end the program that it is of" ]] || fail "$said"
	check
}
