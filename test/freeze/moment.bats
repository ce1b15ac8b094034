load moment.bash

@test "moment: nothing but writing" {
	disturbed none
}

@test "moment: pieces that are unmapped and mapped again" {
	disturbed unmap
}

@test "moment: memory that moves, shrinks and grows" {
	disturbed move
}

@test "moment: mappings over others" {
	disturbed fixed
}

@test "moment: pages given back" {
	disturbed dontneed
}

@test "moment: pages that the kernel may take" {
	disturbed free
}

@test "moment: rights that come and go" {
	disturbed protect
}

@test "moment: a heap that grows and shrinks" {
	disturbed brk
}

@test "moment: huge pages that are split and made" {
	disturbed huge
}

@test "moment: pages that are swapped out" {
	disturbed swap
}

@test "moment: all at once" {
	disturbed all
}

@test "moment: all at once, from a restore on in pre-dumps" {
	# shellcheck disable=SC2034 # of moment.bash
	FREEZE_WAYS=("restored pre=2" "restored --freeze=precopy")
	disturbed all
}
