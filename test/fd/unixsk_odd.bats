load ../lib

sentence()
{
	echo "cannot dump $PID: fd 3 (unixsk) of pid $PID: $1"
}

inode()
{
	readlink "/proc/$PID/fd/3" | tr -dc 0-9
}

@test "unixsk: a timer on its way that nobody has is refused" {
	start fd/unixsk_odd rights
	refuse "$(sentence "a descriptor (timerfd) waits in a message for it, which nobody has besides; that is not supported for its kind; let the program receive it before the dump")"
}

@test "unixsk: an out-of-band byte is refused" {
	start fd/unixsk_odd urgent
	refuse "$(sentence "an out-of-band byte waits in it, which is not supported; let the program read it before the dump")"
}

@test "unixsk: data of a connection that was not accepted is refused" {
	start fd/unixsk_odd early
	refuse "$(sentence "a connection that was not accepted yet waits in it, with data that nobody can read before; let the program accept it before the dump")"
}

@test "unixsk: a connection of one that is gone is refused" {
	start fd/unixsk_odd late
	refuse "$(sentence "a connection that was not accepted yet waits in it, by a process that is gone or outside of the tree; let the program accept it before the dump")"
}

@test "unixsk: a name that does not lead to its file is refused" {
	start fd/unixsk_odd renamed
	refuse "$(sentence "it is bound to '$TEST_DIR/before', which does not lead to its file, '$TEST_DIR/after'; give the file its name back before the dump, or go to the directory that the name is relative to")"
}

@test "unixsk: a peer outside of the tree is refused" {
	start fd/unixsk_odd stream
	refuse "$(sentence "its peer is held by a process outside of the tree; close it before the dump, or drop the peer with --external unix[$(inode)] and give another one at restore with --inherit-fd 'fd[N]:socket:[$(inode)]'")"
}

@test "unixsk: a peer outside of the tree is dropped" {
	start fd/unixsk_odd left
	[ -z "${PLAIN:-}" ] || skip "the peer stays"
	ino=$(inode)
	dump --external "unix[$ino]"
	until_true is_gone
	said=$("$STASIS" restore -d -D "$IMAGES" 3>&- 2>&1)
	[[ "$said" = *"socket:[$ino]: its peer was outside of the tree, so nobody is there now; --inherit-fd 'fd[N]:socket:[$ino]' gives it another one" ]] || fail "it said: $said"
	check
}

@test "unixsk: a peer outside of the tree is exchanged" {
	start fd/unixsk_odd given
	[ -z "${PLAIN:-}" ] || skip "the peer stays"
	dump "-x$(inode)"
	until_true is_gone
	python3 - "$STASIS" restore -d -D "$IMAGES" "$(inode_of_images)" <<'PY'
import socket, subprocess, sys
ours, theirs = socket.socketpair()
ours.send(b"given")
subprocess.run([*sys.argv[1:-1], "--inherit-fd", f"fd[{theirs.fileno()}]:socket:[{sys.argv[-1]}]"],
               pass_fds=[theirs.fileno()], check=True)
PY
	check
}

# The socket of number 3.
inode_of_images()
{
	"$STASIS" show "$IMAGES/files.img" | tr -d ' \n' | grep -o '"type":"UNIXSK"[^{]*"usk":{[^}]*"ino":[0-9]*' | grep -o '[0-9]*$' | head -1
}

@test "unixsk: a datagram socket is connected to its peer outside again" {
	start fd/unixsk_odd datagram
	dump_and_restore --ext-unix-sk
	check
}

# refuse_restore SENTENCE: and what is there stays.
refuse_restore()
{
	local said status=0 before

	before=$(stat -c '%i %Z' "$TEST_DIR/listening")
	said=$("$STASIS" restore -d -D "$IMAGES" 3>&- 2>&1) || status=$?
	[ "$status" = 1 ] || fail "the restore ended with $status and said: $said"
	[ "$said" = "cannot restore '$IMAGES': fd 3 (unixsk) of pid $PID: $1" ] || fail "it said: $said"
	[ "$(stat -c '%i %Z' "$TEST_DIR/listening")" = "$before" ] || fail "the file is another one"
}

dump_listening()
{
	[ -z "${PLAIN:-}" ] || skip "nothing is restored"
	start fd/unixsk_odd listening
	dump
	until_true is_gone
}

@test "unixsk: a file that has come under the name stays" {
	dump_listening
	rm "$TEST_DIR/listening"
	echo precious >"$TEST_DIR/listening"
	refuse_restore "'$TEST_DIR/listening' is not the file that it was bound to; move it away if nobody needs it"
	nothing_left
}

@test "unixsk: a socket that has come under the name stays" {
	dump_listening
	rm "$TEST_DIR/listening"
	python3 -c 'import socket, sys; socket.socket(socket.AF_UNIX).bind(sys.argv[1])' "$TEST_DIR/listening"
	refuse_restore "'$TEST_DIR/listening' is not the file that it was bound to; move it away if nobody needs it"
	nothing_left
}

@test "unixsk: a restored name is restored again, and a failed restore leaves none" {
	dump_listening
	rm "$TEST_DIR/listening"
	if "$STASIS" restore -d -D "$IMAGES" --inject-fault late 2>/dev/null; then fail "the fault was not made"; fi
	[ ! -e "$TEST_DIR/listening" ] || fail "a file is left"
	restore
	kill -KILL "$PID"
	until_true is_gone
	restore
	check
}

@test "unixsk: a name that is in use is refused" {
	dump_listening
	mkdir "$TEST_DIR/again"
	python3 -c 'import socket, sys, time; s = socket.socket(socket.AF_UNIX); s.bind(sys.argv[1]); print("up", flush=True); time.sleep(60)' \
		"$TEST_DIR/again/s" >"$TEST_DIR/up" &
	until_true test -s "$TEST_DIR/up"
	mv "$TEST_DIR/again/s" "$TEST_DIR/listening"
	python3 -c 'import os, sys; os.setxattr(sys.argv[1], "trusted.stasis.socket", sys.argv[2].encode())' \
		"$TEST_DIR/listening" "$(run_id)" || skip "no extended attributes here"
	refuse_restore "'$TEST_DIR/listening' is in use by another process; end that process first"
}

run_id()
{
	"$STASIS" show "$IMAGES/inventory.img" | tr -d ' \n' | grep -o '"dump_criu_run_id":"[^"]*"' | cut -d'"' -f4
}
