# Moments of a tree whose tasks start and end while it runs on and is saved (--freeze=cow).
load moment.bash

@test "cow: the moment, threads and processes that come and go" {
	moment_of threads
	moment_of processes
	moment_of fork
	moment_of vfork
}

@test "cow: the moment, another program is executed" {
	moment_of exec
}

@test "cow: the moment, again and again while tasks come and go" {
	stopped_often exec --freeze=cow
	stopped_often vfork --freeze=cow
	stopped_often threads --freeze=cow
	stopped_often processes --freeze=cow
}

@test "cow: the moment, all at once" {
	moment_of all
	moment_of all paced
	moment_of all idle
}
