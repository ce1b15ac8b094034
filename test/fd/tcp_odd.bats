load ../lib
load ../net

sentence()
{
	echo "cannot dump $PID: fd ${2:-3} (inetsk) of pid $PID: $1"
}

# The other port of a connection to 7300.
port()
{
	here ss -tnH state established dst 127.0.0.1:7300 | awk '{ print $3 }' | cut -d: -f2
}

@test "tcp: a connection without an option is refused" {
	net_begin
	start_here fd/tcp_odd pair
	refuse "$(sentence "it is a connection, tcp 127.0.0.1:$(port) connected to 127.0.0.1:7300; --tcp-established carries connections, --tcp-close closes them")"
}

@test "tcp: a connection in the images without an option is refused" {
	[ -z "${PLAIN:-}" ] || skip "nothing is restored"
	net_begin
	start_here fd/tcp_odd pair
	port=$(port)
	dump --tcp-established
	until_true is_gone
	said=$("$STASIS" restore -d -D "$IMAGES" 3>&- 2>&1) && fail "it was restored"
	[ "$said" = "cannot restore '$IMAGES': fd 3 (inetsk) of pid $PID: it is a connection, tcp 127.0.0.1:$port connected to 127.0.0.1:7300; --tcp-established carries connections, --tcp-close closes them" ] || fail "$said"
	restore --tcp-established
	check
}

@test "tcp: connections come back closed" {
	net_begin
	[ -z "${PLAIN:-}" ] || skip "nothing is closed"
	start_here fd/tcp_odd closed
	dump --tcp-close
	until_true is_gone
	no_lock
	said=$("$STASIS" restore -d -D "$IMAGES" 3>&- 2>&1) && fail "it was restored"
	[ "$said" = "cannot restore '$IMAGES': the images were made with --tcp-close; restore them with it as well" ] || fail "$said"
	restore --tcp-close
	check
}

@test "tcp: connections in the images come back closed" {
	net_begin
	[ -z "${PLAIN:-}" ] || skip "nothing is closed"
	start_here fd/tcp_odd closed
	dump --tcp-established
	until_true is_gone
	restore --tcp-close
	no_lock
	check
}

# Somebody on the other side, who waits to be accepted. The test ends him.
caller()
{
	net_begin
	launch nsenter --net=/run/netns/"$HERE" "$BUILD/test/fd/tcp_odd" "$1"
	there python3 -c 'import socket, time
for i in range(1000):
    try: s = socket.create_connection(("10.99.0.1", 7300)); break
    except OSError: time.sleep(0.01)
time.sleep(60)' 3>&- &
	wait_ready
}

@test "tcp: a connection that was not accepted is refused" {
	caller flight
	refuse "$(sentence "1 connections that were not accepted yet wait in it; --tcp-established carries them, --skip-in-flight drops them")"
}

@test "tcp: a connection that was not accepted, in the images, is refused without an option" {
	[ -z "${PLAIN:-}" ] || skip "nothing is restored"
	caller flight
	dump --tcp-established
	until_true is_gone
	said=$("$STASIS" restore -d -D "$IMAGES" 3>&- 2>&1) && fail "it was restored"
	[ "$said" = "cannot restore '$IMAGES': fd 3 (inetsk) of pid $PID: connections that were not accepted yet wait in it; --tcp-established carries them, --tcp-close closes them" ] || fail "$said"
	restore --tcp-close
	no_lock
	check
}

@test "tcp: a connection that was not accepted at a port that may be shared is refused" {
	caller shared
	refuse "$(sentence "connections that were not accepted yet wait in it, which is not supported while it may share its port (SO_REUSEPORT); let the program accept them before the dump, or drop them with --skip-in-flight")" --tcp-established
}

@test "tcp: connections that were not accepted are dropped" {
	[ -z "${PLAIN:-}" ] || skip "nothing is dropped"
	caller dropped
	dump_and_restore --skip-in-flight
	check
}

@test "tcp: urgent data is refused" {
	net_begin
	start_here fd/tcp_odd urgent
	refuse "$(sentence "urgent data waits in it, which is not supported; let the program read it before the dump")" --tcp-established
}

@test "tcp: an error that waits is reported afterwards" {
	net_begin
	start_here fd/tcp_odd reset
	dump_and_restore
	no_lock
	check
}

@test "tcp: unread bytes of a connection that has ended" {
	net_begin
	start_here fd/tcp_odd ended
	dump_and_restore
	no_lock
	check
}

@test "tcp: a call that nobody has answered yet is made again" {
	net_begin
	there nft 'add table inet silent; add chain inet silent input { type filter hook input priority 0; }; add rule inet silent input tcp dport 7301 drop'
	there python3 -c 'import socket, time
s = socket.create_server(("10.99.0.2", 7301)); time.sleep(60)' 3>&- &
	start_here fd/tcp_odd calling
	dump_and_restore --tcp-established
	there nft delete table inet silent
	check
}

@test "tcp: an address that is not here is refused" {
	[ -z "${PLAIN:-}" ] || skip "nothing is restored"
	net_begin
	start_tcp 1 10.99.0.1 7000
	dump --tcp-established
	until_true is_gone
	ip -n "$HERE" address del 10.99.0.1/24 dev wire
	said=$("$STASIS" restore -d -D "$IMAGES" --tcp-established 3>&- 2>&1) && fail "it was restored"
	[ "$said" = "cannot restore '$IMAGES': fd 3 (inetsk) of pid $PID: bind it to 10.99.0.1:7000: Cannot assign requested address; give that address to an interface here" ] || fail "$said"
	ip -n "$HERE" address add 10.99.0.1/24 dev wire
	restore --tcp-established
	check_tcp
}

@test "tcp: an address that is in use is refused" {
	[ -z "${PLAIN:-}" ] || skip "nothing is restored"
	net_begin
	start_tcp 1 10.99.0.1 7000
	dump --tcp-established
	until_true is_gone
	nsenter --net=/run/netns/"$HERE" python3 -c 'import socket, sys, time
s = socket.create_server(("10.99.0.1", 7000), reuse_port=False); print("up", flush=True); time.sleep(60)' >"$TEST_DIR/up" 3>&- &
	other=$!
	until_true test -s "$TEST_DIR/up"
	said=$("$STASIS" restore -d -D "$IMAGES" --tcp-established 3>&- 2>&1) && fail "it was restored"
	[ "$said" = "cannot restore '$IMAGES': fd 3 (inetsk) of pid $PID: bind it to 10.99.0.1:7000: Address already in use; end the process that has this address" ] || fail "$said"
	kill "$other"
	wait "$other" || true
	restore --tcp-established
	check_tcp
}

@test "tcp: a lock is left to the caller" {
	[ -z "${PLAIN:-}" ] || skip "nothing is blocked"
	net_begin
	start_tcp 1 10.99.0.1 7000
	here nft 'add table inet mine; add chain inet mine input { type filter hook input priority 0; }; add rule inet mine input iif wire drop'
	dump --tcp-established --network-lock=skip
	until_true is_gone
	no_lock
	restore --tcp-established
	here nft delete table inet mine
	check_tcp
}

@test "tcp: a segment of which the other side has taken a part" {
	net_begin
	there nft 'add table inet silent; add chain inet silent output { type filter hook output priority 0; }; add rule inet silent output tcp flags & rst == rst drop'
	there python3 test/fd/tcp_partly.py "$TEST_DIR/go.1" >"$TEST_DIR/peer" 2>&1 3>&- &
	until_true test -s "$TEST_DIR/peer"
	start_here fd/tcp_odd partly
	dump_and_restore --tcp-established
	touch "$TEST_DIR/go.1"
	until_true peer_is_done
	[ "$(tail -1 "$TEST_DIR/peer")" = ok ] || fail "the peer says: $(cat "$TEST_DIR/peer")"
	check
}

peer_is_done()
{
	[ "$(wc -l <"$TEST_DIR/peer")" -ge 2 ]
}

@test "tcp: a socket of another network namespace is refused" {
	net_begin
	start_here fd/tcp_odd foreign
	refuse "$(sentence "it is of another network namespace; run stasis in that one" 4)"
}
