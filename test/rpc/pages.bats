# Page servers as clients ask for them, and dumps that send pages there.
load ../lib
load rpc

# of_pages TYPE [FIELDS]: with a directory of its own.
of_pages()
{
	mkdir -p "$TEST_DIR/server"
	printf '{"type":"%s","opts":{"images_dir_fd":"%s","log_level":4,"log_file":"server.log","ps":{"address":"127.0.0.1"%s}}%s}' "$1" "$TEST_DIR/server" "${2:+,$2}" "${3:+,$3}"
}

@test "rpc: a page server that cannot be" {
	ask swrk "$(of_pages PAGE_SERVER '"port":70000')"
	says "PAGE_SERVER failed cr_errno=56 cr_errmsg=Error (*): field 'ps': field 'ps.port': option '--port': '70000' is no port" 'exit 1'
	ask swrk '{"type":"PAGE_SERVER","opts":{"images_dir_fd":"'"$IMAGES"'","ps":{"address":"0.0.0.0"}}}'
	says "PAGE_SERVER failed cr_errmsg=Error (*): at '0.0.0.0' anybody in the network could read and write these pages; *" 'exit 1'
	ask swrk '{"type":"PAGE_SERVER","opts":{"images_dir_fd":-1,"ps":{"address":"127.0.0.1"}}}'
	says "PAGE_SERVER failed cr_errno=56 cr_errmsg=Error (*): there is no directory of images: *" 'exit 1'
}

port_of()
{
	SERVER=$(sed -n 's/.*ps\.pid=\([0-9]*\).*/\1/p' <<<"$SAID")
	PORT=$(sed -n 's/.*ps\.port=\([0-9]*\).*/\1/p' <<<"$SAID")
}

@test "rpc: a page server, and a dump that sends its pages there" {
	start mm/lazy 16
	ask swrk "$(of_pages PAGE_SERVER)"
	says "PAGE_SERVER ok ps.port=* ps.pid=*" 'exit 0' || says "PAGE_SERVER ok ps.pid=* ps.port=*" 'exit 0'
	port_of
	runs "$SERVER" || fail "it does not run"
	ask swrk "$(request DUMP '"pid":'"$PID"',"ps":{"address":"127.0.0.1","port":'"$PORT"'}')"
	says 'DUMP ok dump.restored=False' 'exit 0'
	until_true is_over "$SERVER"
	cp -n "$IMAGES"/*.img "$TEST_DIR/server"/
	IMAGES=$TEST_DIR/server
	until_true is_gone
	restore
	check
}

is_over()
{
	! runs "$1"
}

@test "rpc: pages of a dump that stays, for a restore elsewhere" {
	local dump

	start mm/lazy 16
	timeout 60 python3 test/rpc/client.py swrk "$(runc_dump '"ps":{"address":"127.0.0.1","port":2727}' | sed 's/"lazy_pages":0/"lazy_pages":1/')" >"$TEST_DIR/said" 2>&1 3>&- &
	dump=$!
	until_true grep -qs "status-ready" "$TEST_DIR/said" || fail "nobody is told that it is ready: $(cat "$TEST_DIR/said" "$TEST_DIR/dump.log")"
	# Somebody who has all of it, without having asked for any.
	printf '\x23\x10\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0' | python3 -c '
import socket, sys
s = socket.create_connection(("127.0.0.1", 2727))
s.sendall(sys.stdin.buffer.read())
sys.exit(s.recv(4) != bytes(4))'
	wait "$dump" || fail "$(cat "$TEST_DIR/said")"
	grep -q "DUMP ok" "$TEST_DIR/said" || fail "$(cat "$TEST_DIR/said")"
	until_true is_gone
}
