load ../lib

shares_memory()
{
	local child

	child=$(cat /proc/"$PID"/task/*/children)
	[ -n "${child// /}" ]
}

@test "vfork: the dump tries again until the child has memory of its own" {
	start task/vfork
	until_true shares_memory
	dump_and_restore
	check
}
