load ../lib

@test "guard: regions of guard pages, locked ones too" {
	start mm/guard
	dump_and_restore
	check
}
