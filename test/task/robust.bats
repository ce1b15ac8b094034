load ../lib

@test "robust: a dead owner's mutex is handed on" {
	start task/robust
	dump_and_restore
	check
}
