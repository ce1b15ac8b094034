# Programs that listen: sockets are of a later day, and the refusal says which one it is.

# The first one, which is what a dump comes to first.
socket_fd()
{
	local fd

	for fd in $(cd /proc/"$PID"/fd && printf '%s\n' * | sort -n); do
		[[ $(readlink /proc/"$PID"/fd/"$fd") != socket:* ]] || break
	done
	echo "$fd"
}

# refuse_port PORT: the whole sentence, about a program that listens.
refuse_port()
{
	refuse "cannot dump $PID: fd $(socket_fd) (socket: tcp 127.0.0.1:$1 listening) of pid $PID is not supported yet; let the program close it before the dump"
}
