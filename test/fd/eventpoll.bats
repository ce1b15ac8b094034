load ../lib

@test "eventpoll: every watch, whatever became of its number" {
	start fd/eventpoll
	dump_and_restore
	check
}

@test "eventpoll: a dump that leaves the program running changes no watch" {
	start fd/eventpoll
	dump --leave-running
	check
}

@test "eventpoll: a file that only another process has is refused" {
	start fd/eventpoll foreign
	refuse "cannot dump $PID: fd 3 (eventpoll) of pid $PID: it watches what was fd 4 when it was added, which is open no more in that process but in another; let the program remove the watch before it closes the descriptor"
}
