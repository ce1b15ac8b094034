load ../lib
load refuse_port

# Compiled once for all tests of the file.
setup_file()
{
	export CLASSES=$BATS_FILE_TMPDIR
	javac -d "$CLASSES" "$BATS_TEST_DIRNAME/Workers.java"
}

# Just the first compiler, since a test has little time to get warm.
workers()
{
	start_program java -Xmx64m -XX:TieredStopAtLevel=1 -Djava.net.preferIPv4Stack=true -cp "$CLASSES" Workers "$@"
}

@test "java: threads, locks, garbage, a file, a child at pipes" {
	workers
	dump_and_restore
	check
	nothing_left
}

@test "java: a server is refused for its socket" {
	workers listen
	refuse_port "$(cat "$TEST_DIR/ready.1")"
}
