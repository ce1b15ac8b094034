load ../lib

@test "cwd_root: working directory, chroot, and both shared by CLONE_FS" {
	start task/cwd_root "$TEST_DIR"
	dump_and_restore
	check
}
