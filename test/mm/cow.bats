load ../lib

@test "cow: pages that parent and child share stay shared while they are equal" {
	start mm/cow
	dump_and_restore
	check
}
