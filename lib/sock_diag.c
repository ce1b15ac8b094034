/* Lists of sockets; see sock_diag.h. One question, answered in messages with many sockets each. */
#include "lib/sock_diag.h"

#include <errno.h>
#include <linux/sock_diag.h>
#include <string.h>
#include <sys/socket.h>

#include "lib/own.h"

enum { REQUEST_MAX = 128, ANSWER_SIZE = 1 << 16 };

static int send_request(int fd, const void *request, size_t size)
{
	struct {
		struct nlmsghdr head;
		char request[REQUEST_MAX];
	} m = { 0 };
	struct sockaddr_nl kernel = { .nl_family = AF_NETLINK };

	if (size > REQUEST_MAX)
		return -EINVAL;
	m.head.nlmsg_len = NLMSG_LENGTH(size);
	m.head.nlmsg_type = SOCK_DIAG_BY_FAMILY;
	m.head.nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
	memcpy(m.request, request, size);
	return sendto(fd, &m, m.head.nlmsg_len, 0, (struct sockaddr *)&kernel, sizeof(kernel)) < 0 ?
		       -errno :
		       0;
}

/* 1: the list is over, else 0 or -errno. */
static int read_answers(const char *buf, ssize_t size, sock_diag_fn each, void *arg)
{
	int left = (int)size, error = 0;

	for (const struct nlmsghdr *m = (const void *)buf; NLMSG_OK(m, (unsigned int)left);
	     m = NLMSG_NEXT(m, left)) {
		size_t payload = m->nlmsg_len - NLMSG_LENGTH(0);

		if (m->nlmsg_type == NLMSG_DONE || m->nlmsg_type == NLMSG_ERROR) {
			if (payload >= sizeof(error))
				memcpy(&error, NLMSG_DATA(m), sizeof(error));
			return error < 0 ? error : 1;
		}
		each(NLMSG_DATA(m), payload, arg);
	}
	return 0;
}

int sock_diag_list(const void *request, size_t size, sock_diag_fn each, void *arg)
{
	own_fd fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_SOCK_DIAG);
	own_mem char *buf = malloc(ANSWER_SIZE);
	int r;

	if (fd < 0 || !buf)
		return fd < 0 ? -errno : -ENOMEM;
	r = send_request(fd, request, size);
	while (r == 0) {
		ssize_t n = recv(fd, buf, ANSWER_SIZE, 0);

		if (n < 0 && errno == EINTR)
			continue;
		r = n < 0 ? -errno : read_answers(buf, n, each, arg);
	}
	return r < 0 ? r : 0;
}

const struct nlattr *sock_diag_attribute(const void *message, size_t size, size_t head, int type)
{
	size_t at = NLMSG_ALIGN(head);

	while (at + sizeof(struct nlattr) <= size) {
		const struct nlattr *a = (const void *)((const char *)message + at);

		if (a->nla_len < sizeof(*a) || at + a->nla_len > size)
			return NULL;
		if ((a->nla_type & NLA_TYPE_MASK) == type)
			return a;
		at += NLA_ALIGN(a->nla_len);
	}
	return NULL;
}

const void *sock_diag_data(const struct nlattr *attribute, size_t at_least)
{
	return attribute && attribute->nla_len >= NLA_HDRLEN + at_least ?
		       (const char *)attribute + NLA_HDRLEN :
		       NULL;
}
