load moment.bash

@test "tasks: children that check their copy" {
	disturbed fork
}

@test "tasks: children that share memory until exec" {
	disturbed vfork
}

@test "tasks: programs that hand over to themselves" {
	disturbed exec
}

@test "tasks: threads that begin and end" {
	disturbed threads
}

@test "tasks: processes that begin and end" {
	disturbed processes
}

@test "tasks: saved again and again while they come and go" {
	stopped_often exec --freeze=stop
	stopped_often vfork --freeze=stop
	stopped_often threads --freeze=stop
	stopped_often processes --freeze=stop
}
