load ../lib

# A journal, a syslog and a bus in a place of their own, which the program and stasis see, and nobody else.
services()
{
	unshare -m --propagation private sh -c 'mount -t tmpfs none /run && mkdir -p /run/systemd/journal /run/dbus && touch '"$TEST_DIR"'/mounted && exec sleep 1000' 3>&- &
	PLACE=$!
	until_true test -e "$TEST_DIR/mounted" || skip "there are no mount namespaces"
	inside python3 "$BATS_TEST_DIRNAME/unixsk_logs.py" "$TEST_DIR" 3>&- &
	until_true test -e "$TEST_DIR/served"
	printf '#!/bin/sh\nexec nsenter -t %s -m "%s" "$@"\n' "$PLACE" "$STASIS" >"$TEST_DIR/stasis"
	chmod 0755 "$TEST_DIR/stasis"
	STASIS=$TEST_DIR/stasis
}

inside()
{
	nsenter -t "$PLACE" -m "$@"
}

begin()
{
	services
	launch nsenter -t "$PLACE" -m "$BUILD/test/fd/unixsk_logs" "$@"
	wait_ready
}

said()
{
	[ "$(cat "$TEST_DIR/$1")" = "$2" ] || fail "$1 was told '$(cat "$TEST_DIR/$1")', not '$2'"
}

@test "unixsk: the journal and syslog are connected anew" {
	begin
	dump_and_restore --reconnect-logs
	check
	sleep 0.1
	[ -z "${PLAIN:-}" ] || return 0
	said journal "[$PID]me"$'\n\n6\n1\n0\n0\n0\nbefore\n'"[$PID]unixsk_logs"$'\n\n6\n1\n0\n0\n0\nafter'
	said datagrams "<13>before|<13>after|"
	said stream "[$PID]<13>before"$'\n'"[$PID]<13>after"
}

@test "unixsk: the journal without an option is refused" {
	begin
	refuse "cannot dump $PID: fd 3 (unixsk) of pid $PID: it is connected to the log of the machine, '/run/systemd/journal/stdout'; --reconnect-logs has the restore connect it anew"
}

@test "unixsk: a restore where there is no journal says so" {
	[ -z "${PLAIN:-}" ] || skip "nothing is restored"
	begin
	dump --reconnect-logs
	until_true is_gone
	inside mv /run/systemd/journal/stdout /run/systemd/journal/away
	said=$("$STASIS" restore -d -D "$IMAGES" 3>&- 2>&1) && fail "it was restored"
	[[ $said = "cannot restore '$IMAGES': fd 3 (unixsk) of pid $PID: connect it to the log of this machine, '/run/systemd/journal/stdout': No such file or directory; start what listens there, or give a socket with --inherit-fd 'fd[N]:socket:["*"]'" ]] || fail "$said"
	nothing_of "$PID"
	inside mv /run/systemd/journal/away /run/systemd/journal/stdout
	restore
	check
}

nothing_of()
{
	! runs "$1" || fail "pid $1 runs"
}

@test "unixsk: a message bus is refused" {
	begin bus
	refuse "cannot dump $PID: fd 3 (unixsk) of pid $PID: it is connected to a message bus (D-Bus), '/run/dbus/system_bus_socket', which knows what a new connection would not have; close it before the dump, or drop the peer with --external unix[$(inside ss -xpH | awk -v p="pid=$PID," '$0 ~ p { print $6 }')]; the program has to connect again then" --reconnect-logs
}
