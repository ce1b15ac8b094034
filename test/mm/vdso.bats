load ../lib

@test "vdso: it is at its place, and tells the time" {
	start mm/vdso
	dump_and_restore
	check
}

three_times()
{
	start mm/vdso foreign
	dump_and_restore "$@"
	go
	dump_and_restore "$@"
	go
	dump_and_restore "$@"
	check
}

@test "vdso: of another kernel, three times over" {
	three_times
}

@test "vdso: of another kernel, three times over while it runs" {
	three_times --freeze=precopy
}

@test "vdso: of another kernel, with threads at the start of its functions" {
	start mm/vdso entering
	dump_and_restore
	go
	dump_and_restore
	go
	dump_and_restore
	go
	dump_and_restore
	check
}

@test "vdso: a process that has unmapped it gets none" {
	start mm/vdso gone
	dump_and_restore
	check
}
