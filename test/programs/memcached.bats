load served

answers()
{
	there bash -c 'exec 9<>/dev/tcp/10.99.0.1/11211' 2>/dev/null
}

@test "memcached: every value is the one that was stored last, and counters count" {
	net_begin
	serve memcached -u nobody -l 10.99.0.1,fd99::1 -t 4 -m 64
	until_true answers || fail "it does not answer"
	client clients python3 "$BATS_TEST_DIRNAME"/memcached_clients.py 10.99.0.1 fd99::1
	rounds
	ended clients
	kill -TERM "$PID"
	until_true is_gone
}
