load ../lib

# Each call: saved in it, and left running; then saved in it and restored. With an argument: with a timeout.
inflight()
{
	start task/inflight_socket "$@"
	dump --leave-running
	next_images again
	dump_and_restore
	check
}

@test "inflight: accept" { inflight accept; }
@test "inflight: accept, SO_RCVTIMEO" { inflight accept timed; }
@test "inflight: recv" { inflight recv; }
@test "inflight: recv, SO_RCVTIMEO" { inflight recv timed; }
@test "inflight: recvmsg" { inflight recvmsg; }
@test "inflight: recvmsg, SO_RCVTIMEO" { inflight recvmsg timed; }
@test "inflight: recv of all, half of it there" { inflight waitall; }
@test "inflight: recv of all, half of it there, SO_RCVTIMEO" { inflight waitall timed; }
@test "inflight: connect, too many wait" { inflight connect; }
@test "inflight: connect, too many wait, SO_SNDTIMEO" { inflight connect timed; }
@test "inflight: send to a full socket" { inflight send; }
@test "inflight: send to a full socket, SO_SNDTIMEO" { inflight send timed; }
