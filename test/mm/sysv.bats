load ../lib

key()
{
	printf '%d' $((0x57a515 + PID))
}

# Whatever became of the test.
remove_segment()
{
	ipcrm -M "$(key)" 2>/dev/null || true
}

@test "sysv: a segment that is still there is attached again" {
	start mm/sysv
	dump_and_restore
	check
	remove_segment
}

@test "sysv: a segment that is gone is made again, with its id and key" {
	start mm/sysv
	dump
	until_true is_gone
	ipcrm -M "$(key)"
	restore
	check
	remove_segment
}

@test "sysv: a segment that was removed while attached" {
	start mm/sysv removed
	dump_and_restore
	check
}

@test "sysv: a dump that leaves the program running changes none of it" {
	start mm/sysv
	dump --leave-running
	check
	remove_segment
}

@test "sysv: a restore that fails leaves no segment behind" {
	start mm/sysv
	dump
	until_true is_gone
	ipcrm -M "$(key)"
	rm "$IMAGES"/pagemap-"$PID".img
	run "$STASIS" restore -d -D "$IMAGES"
	[ "$status" = 1 ] || fail "$output"
	! ipcs -m | grep -qi "$(printf '0x%08x' "$(key)")" || fail "$(ipcs -m)"
}
