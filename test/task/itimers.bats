load ../lib

@test "itimers: the time left and the periods survive; the time between does not count" {
	start task/itimers
	dump
	[ -n "${PLAIN:-}" ] || sleep "${EMULATED:+2}3"
	restore
	check
}
