# Servers as they come from their packages, and clients of them that live in another network namespace. The server is saved and
# started again while they are at it, ROUNDS times, and they notice nothing.
load rounds
load ../net

# serve COMMAND...: it is the tree, and lives on our side of the wire.
serve()
{
	launch nsenter --net=/run/netns/"$HERE" "$@"
}

# listens PORT COUNT: so many sockets of TCP. Whoever connects to look, and leaves, may have its connection reset, which servers tell.
listens()
{
	local port

	port=$(printf '%04X' "$1")
	[ "$(nsenter --net=/run/netns/"$HERE" cat /proc/net/tcp /proc/net/tcp6 | grep -cE ":$port [0-9A-F:]+ 0A ")" = "$2" ]
}

# client NAME COMMAND...: on the other side, in the background. What it says goes to the file NAME; its pid is CLIENT[NAME].
declare -gA CLIENT
client()
{
	{
		close_inherited
		exec nsenter --net=/run/netns/"$THERE" "${@:2}"
	} </dev/null >"$TEST_DIR/$1" 2>&1 &
	CLIENT[$1]=$!
}

# ended NAME: the client has come to its end, and to a good one.
ended()
{
	wait "${CLIENT[$1]}" || fail "$1: $(tail -n 20 "$TEST_DIR/$1")"
}

# there_and_back [OPTIONS]: saved, away for a while in which its clients go on sending, and started again.
there_and_back()
{
	[ -z "${PLAIN:-}" ] || return 0
	rm -rf "${IMAGES:?}"/*
	dump --tcp-established "$@"
	until_true is_gone
	sleep 0.3
	restore --tcp-established "$@"
	no_lock
}

halfway()
{
	[ -e "$TEST_DIR/halfway.$1" ] || [ -e "$TEST_DIR/failed" ]
}

# rounds [OPTIONS]: each begins when a client is in the middle of something (away() in served.py).
rounds()
{
	local n

	for ((n = 1; n <= ROUNDS; n++)); do
		until_true halfway "$n" || fail "round $n: its clients do not get on"
		[ ! -e "$TEST_DIR/failed" ] || break
		there_and_back "$@"
		touch "$TEST_DIR/round.$n"
	done
	sleep 0.2
	touch "$TEST_DIR/over"
}
