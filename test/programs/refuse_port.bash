# Programs that listen: sockets are of a later day, and the refusal says which one it is.

socket_fd()
{
	local fd

	for fd in /proc/"$PID"/fd/*; do
		[[ $(readlink "$fd") = socket:* ]] && echo "${fd##*/}"
	done
}

# refuse_port PORT: the whole sentence, about a program that has this one socket.
refuse_port()
{
	refuse "cannot dump $PID: fd $(socket_fd) (socket: tcp 127.0.0.1:$1 listening) of pid $PID is not supported yet; let the program close it before the dump"
}
