load ../lib
load ../net

setup_file()
{
	command -v redis-server >/dev/null || skip "there is no redis-server"
}

# Somewhere else on the network.
client()
{
	there redis-cli -h 10.99.0.1 "$@" 2>&1
}

answers()
{
	[ "$(client ping)" = PONG ]
}

start_redis()
{
	net_begin
	launch nsenter --net=/run/netns/"$HERE" redis-server --bind 10.99.0.1 127.0.0.1 ::1 --port 6379 \
		--protected-mode no --save '' --appendonly no --dir "$TEST_DIR"
	until_true answers || fail "it does not answer"
}

away_and_back()
{
	[ -z "${PLAIN:-}" ] || return 0
	rm -rf "${IMAGES:?}"/*
	dump --tcp-established
	until_true is_gone
	sleep 0.7
	restore --tcp-established
	no_lock
}

@test "redis: clients count on, whatever happens to the server" {
	start_redis
	there redis-benchmark -h 10.99.0.1 -t incr -n 300000 -c 20 -q >"$TEST_DIR/bench" 2>&1 3>&- &
	bench=$!
	for _ in 1 2 3; do
		sleep 0.5
		away_and_back
	done
	wait "$bench" || fail "the clients: $(tail -n 3 "$TEST_DIR/bench")"
	[ "$(client get counter:__rand_int__)" = 300000 ] || fail "it has counted to $(client get counter:__rand_int__)"
	! grep -qi error "$TEST_DIR/bench" || fail "$(tail -n 3 "$TEST_DIR/bench")"
}

@test "redis: who waits for something gets it" {
	start_redis
	client blpop later 60 >"$TEST_DIR/waiting" 3>&- &
	waiting=$!
	client subscribe news >"$TEST_DIR/news" 3>&- &
	until_true grep -q subscribe "$TEST_DIR/news"
	client set key value
	away_and_back
	[ "$(client get key)" = value ]
	[ "$(client publish news something)" = 1 ] || fail "nobody listens to the news"
	client rpush later now
	wait "$waiting"
	grep -qx now "$TEST_DIR/waiting" || fail "$(cat "$TEST_DIR/waiting")"
	until_true grep -qx something "$TEST_DIR/news"
}
