# The dumper is killed with SIGKILL at random moments, while several threads of it save several processes.
load killed.bash

@test "killed: the process that dumps, while its threads save several processes" {
	start mm/crowd
	rounds child --freeze=stop
}

@test "killed: the guardian, while threads save several processes" {
	start mm/crowd
	rounds command --freeze=stop
}
