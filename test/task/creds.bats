load ../lib

@test "creds: every thread its own ids, groups, capabilities, securebits, no_new_privs" {
	start task/creds
	dump_and_restore
	check
}

@test "creds: a process without any privilege" {
	start task/creds unprivileged
	dump_and_restore
	check
}
