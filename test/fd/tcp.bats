load ../lib
load ../net

# Longer than what TCP waits for an answer at first (some 200 ms).
absence()
{
	sleep 1
}

away_and_back()
{
	[ -z "${PLAIN:-}" ] || return 0
	dump --tcp-established
	until_true is_gone
	absence
	restore --tcp-established
	no_lock
}

@test "tcp: connections go on, IPv4" {
	net_begin
	start_tcp 1 10.99.0.1 7000
	sleep 0.3
	away_and_back
	check_tcp
}

@test "tcp: connections go on, IPv6" {
	net_begin
	start_tcp 1 fd99::1 7000
	sleep 0.3
	away_and_back
	check_tcp
}

@test "tcp: connections go on, IPv4 by a socket of IPv6" {
	net_begin
	launch nsenter --net=/run/netns/"$HERE" "$BUILD/test/fd/tcp" 1 :: 7000
	VICTIM_RESULT=$TEST_DIR/peer there "$BUILD/test/fd/tcp" peer "$TEST_DIR/stop" 10.99.0.1 7000 3>&- &
	wait_ready
	away_and_back
	check_tcp
}

@test "tcp: many rounds" {
	net_begin
	start_tcp 12 10.99.0.1 7000 fd99::1 7001
	local i
	for ((i = 1; i < 12; i++)); do
		away_and_back
		go
	done
	check_tcp
}

@test "tcp: dumps that leave the program running" {
	[ -z "${PLAIN:-}" ] || skip "nothing is saved"
	net_begin
	start_tcp 1 10.99.0.1 7000
	local mode
	for mode in stop cow precopy; do
		dump --tcp-established --leave-running --freeze=$mode
		no_lock
	done
	dump --tcp-established --leave-stopped
	no_lock
	kill -CONT "$PID"
	away_and_back
	check_tcp
}

@test "tcp: connections in a stream" {
	[ -z "${PLAIN:-}" ] || skip "nothing is saved"
	net_begin
	start_tcp 1 10.99.0.1 7000 fd99::1 7001
	"$STASIS" dump -t "$PID" --stream --tcp-established --timeout "$TIMEOUT" -o "$TEST_DIR/dump.log" >"$TEST_DIR/stream" 3>&-
	until_true is_gone
	absence
	"$STASIS" restore --stream -d --tcp-established -o "$TEST_DIR/restore.log" <"$TEST_DIR/stream" 3>&-
	no_lock
	check_tcp
}

@test "tcp: an increment upon a dump that left the program running" {
	[ -z "${PLAIN:-}" ] || skip "nothing is saved"
	net_begin
	start_tcp 1 10.99.0.1 7000
	dump --tcp-established --leave-running --track-mem
	next_images 2
	dump --tcp-established --track-mem --prev-images-dir ../images.1
	until_true is_gone
	absence
	restore --tcp-established
	check_tcp
}
