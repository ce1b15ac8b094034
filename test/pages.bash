# What the tests of page servers share.

load ../lib

# serve NAME COMMAND [OPTIONS]: a server in the background, until it takes connections; SERVER is its pid, PORT its port, its folder NAME.
serve()
{
	local name=$1 program=$2

	shift 2
	mkdir -p "$TEST_DIR/$name"
	rm -f "$TEST_DIR/$name/server.log"
	"${BY:-$STASIS}" "$program" -D "$TEST_DIR/$name" --address 127.0.0.1 -v4 -o server.log "$@" </dev/null >"$TEST_DIR/$name.out" 2>&1 3>&- &
	SERVER=$!
	until_true listens "$TEST_DIR/$name/server.log" || fail "it does not listen: $(cat "$TEST_DIR/$name.out")"
	PORT=$(sed -n 's/.*Using \([0-9]*\) port.*/\1/p' "$TEST_DIR/$name/server.log")
}

listens()
{
	grep -qs "Using .* port" "$1" || ! runs "$SERVER"
}

# served NAME [SENTENCE]: it has ended well, or has said this.
served()
{
	local status=0 said

	wait "$SERVER" || status=$?
	said=$(cat "$TEST_DIR"/"$1".out)
	if [ -n "${2:-}" ]; then
		[ "$status" = 1 ] || fail "the server ended with $status and said: $said"
		# shellcheck disable=SC2053 # a pattern
		[[ $said == $2 ]] || fail "the server said: $said"
	else
		[ "$status$said" = 0 ] || fail "the server ended with $status and said: $said"
	fi
}

# What a dump needs to send its pages there.
to_server()
{
	# shellcheck disable=SC2034 # the tests use it
	TO=(--page-server --address 127.0.0.1 --port "$PORT")
}

# together NAME: the images of the dump join the pages of the server.
together()
{
	cp -n "$IMAGES"/*.img "$TEST_DIR/$1"/
	IMAGES=$TEST_DIR/$1
}

# refuses PATTERN COMMAND...: it says so, and the status is 1.
refuses()
{
	local pattern=$1 said status=0

	shift
	said=$("$@" 2>&1 3>&-) || status=$?
	[ "$status" = 1 ] || fail "it ended with $status and said: $said"
	# shellcheck disable=SC2053
	[[ $said == $pattern ]] || fail "it said: $said"
}
