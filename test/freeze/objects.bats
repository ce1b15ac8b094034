load moment.bash

@test "objects: holes in shared memory" {
	disturbed remove
}

@test "objects: a memfd that becomes shorter and longer" {
	disturbed truncate
}

@test "objects: writes to the descriptor of a memfd" {
	disturbed pwrite
}

@test "objects: shared memory that is mapped twice" {
	disturbed alias
}

@test "objects: shared memory that is written by what is gone again" {
	disturbed brief
}

@test "objects: holes in which the same comes again" {
	disturbed revive
	disturbed revive idle
}
