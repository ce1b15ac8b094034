load served

setup_file()
{
	command -v redis-server >/dev/null || skip "there is no redis-server"
}

# Somewhere else on the network.
ask()
{
	there redis-cli -h 10.99.0.1 "$@" 2>&1
}

answers()
{
	[ "$(ask ping)" = PONG ]
}

start_redis()
{
	net_begin
	serve redis-server --bind 10.99.0.1 127.0.0.1 ::1 --port 6379 --protected-mode no --save '' --appendonly no --dir "$TEST_DIR"
	until_true answers || fail "it does not answer"
}

somebody_waits()
{
	[[ $(ask info clients) = *blocked_clients:1* ]]
}

@test "redis: clients count on, one by one and many at once, whatever happens to the server" {
	local n=$((ROUNDS * 100000)) i

	start_redis
	client incr redis-benchmark -h 10.99.0.1 -t incr -n "$n" -c 20 -q
	client lpush redis-benchmark -h 10.99.0.1 -t lpush -n "$n" -c 5 -P 16 -q
	for ((i = 0; i < ROUNDS; i++)); do
		sleep 0.3
		there_and_back
	done
	ended incr
	ended lpush
	[ "$(ask get counter:__rand_int__)" = "$n" ] || fail "it has counted to $(ask get counter:__rand_int__)"
	[ "$(ask llen mylist)" = "$n" ] || fail "the list has $(ask llen mylist)"
	! grep -i error "$TEST_DIR"/incr "$TEST_DIR"/lpush || fail "there are errors"
}

@test "redis: who waits for something gets it" {
	local i

	start_redis
	client news redis-cli -h 10.99.0.1 subscribe news
	until_true grep -q subscribe "$TEST_DIR/news"
	for ((i = 1; i <= ROUNDS; i++)); do
		client waiting redis-cli -h 10.99.0.1 blpop later 60
		until_true somebody_waits
		ask set key "value $i"
		there_and_back
		[ "$(ask get key)" = "value $i" ]
		[ "$(ask publish news "number $i")" = 1 ] || fail "nobody listens to the news"
		ask rpush later "now $i"
		ended waiting
		grep -qx "now $i" "$TEST_DIR/waiting" || fail "$(cat "$TEST_DIR/waiting")"
		until_true grep -qx "number $i" "$TEST_DIR/news"
	done
}
