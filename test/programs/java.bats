load rounds

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

@test "java: hundreds of threads, locks, garbage, a file, a child at pipes" {
	workers
	in_rounds
	nothing_left
}

@test "java: a port is listened at" {
	workers listen
	dump_and_restore
	(exec 9<>"/dev/tcp/127.0.0.1/$(cat "$TEST_DIR/ready.1")") || fail "nobody listens"
	check
}
