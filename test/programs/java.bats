load ../lib
load refuse_port

# Just the first compiler, since a test has little time to get warm.
java=(java -Xmx64m -XX:TieredStopAtLevel=1 -Djava.net.preferIPv4Stack=true "$BATS_TEST_DIRNAME/Workers.java")

@test "java: threads, locks, garbage, a mapped file, a child at pipes" {
	start_program "${java[@]}"
	dump_and_restore
	check
	nothing_left
}

@test "java: a server is refused for its socket" {
	start_program "${java[@]}" listen
	refuse_port "$(cat "$TEST_DIR/ready.1")"
}
