load ../lib

@test "file: mapped files, private and shared, written and not, one of them deleted" {
	start mm/file
	dump_and_restore
	check
}
