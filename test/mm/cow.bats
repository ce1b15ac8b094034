load ../lib

@test "cow: pages that parent and child share stay shared while they are equal" {
	start mm/cow
	dump_and_restore
	check
}

# What a dump reads stays where it is: a tree that runs on is not larger than it was.
stay_shared()
{
	start mm/cow
	dump --leave-running "$@"
	check
}

@test "cow: they stay shared in a program that runs on behind a dump" {
	stay_shared
}

@test "cow: they stay shared when memory is saved compressed" {
	stay_shared --compress=lz4
}

@test "cow: they stay shared when memory is saved while the program runs" {
	stay_shared --freeze=cow
}

@test "cow: they stay shared through rounds of pre-copy" {
	stay_shared --freeze=precopy
}
