load ../lib

state()
{
	awk '/^State:/ { print $2 }' /proc/"$PID"/status
}

@test "options: --leave-stopped, of a dump and of a restore" {
	start task/comm
	dump --leave-stopped
	[ "$(state)" = T ] || fail "$(state)"
	kill -KILL "$PID"
	until_true is_gone
	restore --leave-stopped
	[ "$(state)" = T ] || fail "$(state)"
	kill -CONT "$PID"
	check
}

@test "options: --log-pid gives a task a log of its own" {
	start task/comm
	dump
	until_true is_gone
	restore --log-pid
	grep -q "pid $PID: " "$IMAGES/restore.log.$PID" || fail "$(ls "$IMAGES")"
	! grep -q "pid $PID: " "$IMAGES/restore.log" || fail "it is in both"
	check
}

@test "options: a restore that demands a processor says how to do without" {
	start task/comm
	dump
	until_true is_gone
	run "$STASIS" restore -d -D "$IMAGES" --cpu-cap
	[ "$output" = "cannot restore '$IMAGES': 'cpuinfo.img' is missing; --cpu-cap=none takes any processor" ] || fail "$output"
	[ "$status" = 1 ] || fail "$status"
	restore --cpu-cap=none
	check
}
