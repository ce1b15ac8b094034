load ../lib

interrupted()
{
	start task/interrupted "$@"
	kill -STOP "$PID"
	kill -USR1 "$PID"
	dump_and_restore
	kill -CONT "$PID"
	check
}

@test "interrupted: a signal that came before the dump ends the read" { interrupted; }
@test "interrupted: the read goes on if the handler asks for that" { interrupted restarts; }

@test "interrupted: a dump that leaves the program running changes nothing" {
	start task/interrupted
	kill -STOP "$PID"
	kill -USR1 "$PID"
	dump --leave-running
	kill -CONT "$PID"
	check
}
