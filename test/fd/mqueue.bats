load ../lib

# A mount by which queues are listed, for this test only.
queues()
{
	mkdir -p "$TEST_DIR/mqueue"
	unshare -m sh -c "mount -t mqueue mqueue '$TEST_DIR/mqueue' && cd '$TEST_DIR/mqueue' && $1"
}

restore_fails()
{
	local said

	said=$("$STASIS" restore -d -D "$IMAGES" 2>&1) && fail "it was restored"
	[ "$said" = "cannot restore '$IMAGES': fd 3 (mqueue) of pid $PID: $1" ] || fail "the restore said: $said"
}

@test "mqueue: with and without a name, with messages of every sort" {
	start fd/mqueue
	dump_and_restore
	check
	[ -z "$(queues "ls | grep '^stasis-$PID-' || true")" ]
}

@test "mqueue: a dump that leaves the program running takes no message" {
	start fd/mqueue
	dump --leave-running
	check
}

@test "mqueue: who waits to be told is refused, and is still told" {
	start fd/mqueue_odd told
	refuse "cannot dump $PID: fd 3 (mqueue) of pid $PID: pid $PID waits to be told of the next message (mq_notify), which is not supported; let it cancel that before the dump"
}

@test "mqueue: one that is gone is made again when it was empty" {
	[ -z "${PLAIN:-}" ] || skip "nothing is saved"
	start fd/mqueue_odd empty
	dump
	until_true is_gone
	queues "rm stasis-$PID"
	restore
	check
}

@test "mqueue: one that is gone with its messages is refused" {
	[ -z "${PLAIN:-}" ] || skip "nothing is saved"
	start fd/mqueue_odd message
	dump
	until_true is_gone
	queues "rm stasis-$PID"
	restore_fails "the message queue '/stasis-$PID' is gone, with the 1 messages that were in it when it was dumped"
}

@test "mqueue: another one of its name is refused" {
	[ -z "${PLAIN:-}" ] || skip "nothing is saved"
	start fd/mqueue_odd empty
	dump
	until_true is_gone
	queues "rm stasis-$PID"
	python3 -c "
import ctypes, os
class A(ctypes.Structure): _fields_ = [(n, ctypes.c_long) for n in ('f', 'most', 'size', 'now')] + [('pad', ctypes.c_long * 4)]
a = A(0, 3, 77, 0)
assert ctypes.CDLL(None).mq_open(b'/stasis-$PID', os.O_RDWR | os.O_CREAT, 0o600, ctypes.byref(a)) >= 0"
	restore_fails "the message queue '/stasis-$PID' takes 3 messages of 77 bytes now; it took 10 of 8192 when it was dumped"
	queues "rm stasis-$PID"
}
