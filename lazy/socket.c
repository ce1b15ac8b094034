/* Between a restore and 'lazy-pages'; see socket.h. */
#include "lazy/socket.h"

#include <errno.h>
#include <limits.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "lib/io.h"
#include "lib/own.h"

static const struct sockaddr_un place = { .sun_family = AF_UNIX, .sun_path = LAZY_SOCKET };

int lazy_socket_connect(int *ret, struct err *e)
{
	own_fd sock = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (sock < 0 || connect(sock, (const struct sockaddr *)&place, sizeof(place)) < 0) {
		err_sys(e, "connect to '%s' in the work directory", LAZY_SOCKET);
		return err_hint(e, "start 'stasis lazy-pages' with the same directories first");
	}
	*ret = take_fd(&sock);
	return 0;
}

static int send_all(int sock, const void *data, size_t size, struct err *e)
{
	/* Whoever should listen may be gone. */
	if (send(sock, data, size, MSG_NOSIGNAL) == (ssize_t)size)
		return 0;
	err_sys(e, "tell the process that brings pages");
	return err_hint(e, "its log may say why");
}

int lazy_socket_send(int sock, int pid, int uffd, struct err *e)
{
	char space[CMSG_SPACE(sizeof(uffd))] = { 0 };
	struct iovec byte = { "", 1 };
	struct msghdr m = { .msg_iov = &byte,
			    .msg_iovlen = 1,
			    .msg_control = space,
			    .msg_controllen = sizeof(space) };
	struct cmsghdr *c = CMSG_FIRSTHDR(&m);
	int32_t number = uffd < 0 ? -pid : pid;

	if (send_all(sock, &number, sizeof(number), e) < 0 || uffd < 0)
		return e->code;
	*c = (struct cmsghdr){ .cmsg_level = SOL_SOCKET,
			       .cmsg_type = SCM_RIGHTS,
			       .cmsg_len = CMSG_LEN(sizeof(uffd)) };
	memcpy(CMSG_DATA(c), &uffd, sizeof(uffd));
	if (sendmsg(sock, &m, MSG_NOSIGNAL) != 1)
		return err_sys(e, "pass the userfaultfd of pid %d", pid);
	return 0;
}

int lazy_socket_finish(int sock, struct err *e)
{
	uint32_t word = LAZY_FINISHED;

	return send_all(sock, &word, sizeof(word), e);
}

int lazy_socket_listen(int *ret, struct err *e)
{
	own_fd sock = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct stat st;

	if (lstat(LAZY_SOCKET, &st) == 0 && !S_ISSOCK(st.st_mode))
		return err_code(e, EEXIST, "'%s' is there, and is no socket", LAZY_SOCKET);
	unlink(LAZY_SOCKET);
	if (sock < 0 || bind(sock, (const struct sockaddr *)&place, sizeof(place)) < 0 ||
	    chmod(LAZY_SOCKET, 0600) < 0 || listen(sock, 1) < 0)
		return err_sys(e, "listen at '%s' in the work directory", LAZY_SOCKET);
	*ret = take_fd(&sock);
	return 0;
}

/* The only one that comes with this byte; any others are closed. */
static int take_descriptor(struct msghdr *m, int *ret)
{
	for (struct cmsghdr *c = CMSG_FIRSTHDR(m); c; c = CMSG_NXTHDR(m, c)) {
		size_t size = c->cmsg_len - CMSG_LEN(0);

		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		for (size_t at = 0; at + sizeof(int) <= size; at += sizeof(int)) {
			own_close(ret);
			memcpy(ret, CMSG_DATA(c) + at, sizeof(int));
		}
	}
	return *ret;
}

static int receive_descriptor(int sock, int pid, int *ret, struct err *e)
{
	char space[CMSG_SPACE(4 * sizeof(int))], byte, link[64], path[32] = "";
	struct iovec to = { &byte, 1 };
	struct msghdr m = { .msg_iov = &to,
			    .msg_iovlen = 1,
			    .msg_control = space,
			    .msg_controllen = sizeof(space) };
	own_fd fd = -1;

	if (recvmsg(sock, &m, MSG_CMSG_CLOEXEC) != 1 || take_descriptor(&m, &fd) < 0)
		return err_say(e, "no userfaultfd came for pid %d", pid);
	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	if (readlink(link, path, sizeof(path) - 1) < 0 || !strstr(path, "[userfaultfd]"))
		return err_say(e, "what came for pid %d is no userfaultfd", pid);
	*ret = take_fd(&fd);
	return 0;
}

int lazy_socket_receive(int sock, int *ret_pid, int *ret_uffd, struct err *e)
{
	int32_t pid;

	*ret_uffd = -1;
	if (recv(sock, &pid, sizeof(pid), MSG_WAITALL) != sizeof(pid))
		return err_code(e, EPIPE, "the restore has ended before all tasks were told");
	if (pid == 0 || pid == INT_MIN)
		return err_say(e, "%d is no pid", pid);
	*ret_pid = pid < 0 ? -pid : pid;
	return pid < 0 ? 0 : receive_descriptor(sock, pid, ret_uffd, e);
}
