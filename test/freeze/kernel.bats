load moment.bash

@test "kernel: reads straight from a disk" {
	disturbed direct
}

@test "kernel: reads from a pipe" {
	disturbed pipe
}

@test "kernel: messages of a socket" {
	needs_sockets
	disturbed socket
}

@test "kernel: memory that another process writes into" {
	disturbed sibling
}

@test "kernel: frames of signals" {
	disturbed signal
}
