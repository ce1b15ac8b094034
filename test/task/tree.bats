load ../lib

@test "tree: children of children" {
	start task/tree nested
	dump_and_restore
	check
}

@test "tree: sessions and process groups" {
	start task/tree sessions
	dump_and_restore
	check
}

@test "tree: an orphan that a subreaper has taken" {
	start task/tree orphan
	dump_and_restore
	check
}

@test "tree: a session whose leader is gone" {
	start task/tree orphan-of-session
	dump_and_restore
	check
}

@test "tree: a process group whose leader is gone" {
	start task/tree orphan-of-group
	dump_and_restore
	check
}

@test "tree: a hundred children" {
	start task/tree 100
	dump_and_restore
	check
	nothing_left
}
