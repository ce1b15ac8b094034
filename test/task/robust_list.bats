load ../lib

@test "robust_list: a dead owner's mutex is handed on" {
	start task/robust_list
	dump_and_restore
	check
}
