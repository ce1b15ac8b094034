load ../lib

@test "grow: heap, stack and a mapping that grows down grow on" {
	start mm/grow
	dump_and_restore
	check
}
