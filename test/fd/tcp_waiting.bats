load ../lib
load ../net

# start_waiting ROUNDS ADDRESS [ADDRESS OF THE PEER]
start_waiting()
{
	launch nsenter --net=/run/netns/"$HERE" "$BUILD/test/fd/tcp_waiting" "$1" "$2"
	VICTIM_RESULT=$TEST_DIR/peer there "$BUILD/test/fd/tcp_waiting" peer "$TEST_DIR/stop" "${3:-$2}" 3>&- &
	wait_ready
	sleep 0.3
}

away_and_back()
{
	[ -z "${PLAIN:-}" ] || return 0
	dump --tcp-established
	until_true is_gone
	sleep 0.5
	restore --tcp-established
	no_lock
}

@test "tcp: connections that were not accepted yet, IPv4" {
	net_begin
	start_waiting 1 10.99.0.1
	away_and_back
	check_tcp
}

@test "tcp: connections that were not accepted yet, IPv6" {
	net_begin
	start_waiting 1 fd99::1
	away_and_back
	check_tcp
}

@test "tcp: connections that were not accepted yet, IPv4 by a socket of IPv6, many rounds" {
	net_begin
	start_waiting 4 :: 10.99.0.1
	for _ in 1 2 3; do
		away_and_back
		go
	done
	away_and_back
	check_tcp
}

@test "tcp: connections that were not accepted yet stay in a program that runs on" {
	[ -z "${PLAIN:-}" ] || skip "nothing is saved"
	net_begin
	start_waiting 1 10.99.0.1
	for _ in 1 2; do
		dump --tcp-established --leave-running
		no_lock
	done
	check_tcp
}
