/* Packets of a SOCK_SEQPACKET socket: each is one message, without anything around it. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "cli/rpc.h"
#include "lib/own.h"

/* More than a socket's buffer usually holds. */
enum { LARGEST = 4 << 20 };

static ssize_t receive(int sock, void *buf, size_t size, int flags)
{
	ssize_t n;

	do
		n = recv(sock, buf, size, flags);
	while (n < 0 && errno == EINTR);
	return n;
}

int rpc_receive(int sock, CriuReq **ret, struct err *e)
{
	char one;
	ssize_t size = receive(sock, &one, 1, MSG_PEEK | MSG_TRUNC);
	own_mem uint8_t *buf = NULL;
	CriuReq *req;

	if (size < 0)
		return err_sys(e, "receive a request");
	if (size == 0)
		return 0;
	if (size > LARGEST)
		return err_code(e, EMSGSIZE, "a request of %zd bytes is too large", size);
	buf = malloc(size);
	if (!buf)
		return err_sys(e, "memory for a request");
	size = receive(sock, buf, size, 0);
	if (size <= 0)
		return size < 0 ? err_sys(e, "receive a request") : 0;
	req = criu_req__unpack(NULL, size, buf);
	if (!req)
		return err_code(e, EBADMSG, "what came is no request");
	*ret = req;
	return 1;
}

int rpc_send(int sock, const CriuResp *resp, int fd, struct err *e)
{
	size_t size = criu_resp__get_packed_size(resp);
	own_mem uint8_t *buf = malloc(size);
	union {
		char bytes[CMSG_SPACE(sizeof(int))];
		struct cmsghdr align;
	} control = { 0 };
	struct iovec iov = { buf, size };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };
	ssize_t n;

	if (!buf)
		return err_sys(e, "memory for a response");
	criu_resp__pack(resp, buf);
	if (fd >= 0) {
		control.align.cmsg_len = CMSG_LEN(sizeof(int));
		control.align.cmsg_level = SOL_SOCKET;
		control.align.cmsg_type = SCM_RIGHTS;
		memcpy(CMSG_DATA(&control.align), &fd, sizeof(fd));
		msg.msg_control = control.bytes;
		msg.msg_controllen = sizeof(control.bytes);
	}
	do
		n = sendmsg(sock, &msg, MSG_NOSIGNAL);
	while (n < 0 && errno == EINTR);
	return n < 0 ? err_sys(e, "answer the client") : 0;
}
