load ../lib

@test "subreaper: it is one still" {
	start task/subreaper
	dump_and_restore
	check
}
