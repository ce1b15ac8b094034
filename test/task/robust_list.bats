load ../lib

@test "robust_list: a dead owner's mutex is handed on" {
	start task/robust_list
	dump_and_restore
	check
}

@test "robust_list: the end of a saved process is not the death of an owner" {
	start task/robust_file "$TEST_DIR/mutex"
	dump_and_restore
	check
}
