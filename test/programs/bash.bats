load ../lib

here=$BATS_TEST_DIRNAME

@test "bash: a pipeline gives what it gives undisturbed" {
	"$here/pipeline.sh" "$TEST_DIR/undisturbed"
	start_program "$here/pipeline.sh" "$TEST_DIR/disturbed"
	carry_over
	until_true is_gone
	cmp "$TEST_DIR/undisturbed" "$TEST_DIR/disturbed"
	cmp "$TEST_DIR/undisturbed.count" "$TEST_DIR/disturbed.count"
	nothing_left
}

@test "bash: an interactive shell with its jobs, and the other end of its terminal" {
	start_program python3 "$here/pty_inside.py"
	dump_and_restore
	check
	nothing_left
}

# The job of a shell is not a tree of its own: its session and its terminal are the shell's.
shell_job()
{
	[ -z "${PLAIN:-}" ] || skip "nothing to restore"
	[ "$(python3 "$here/shell_job.py" "$STASIS" "$IMAGES" "$1" 3>&-)" = ok ]
}

@test "bash: a job is restored from the shell that had started it" {
	shell_job same
}

@test "bash: a job is restored in the terminal of another shell" {
	shell_job other
}
