load ../lib

@test "oom_score_adj: the value survives" {
	start task/oom_score_adj
	dump_and_restore
	check
}
