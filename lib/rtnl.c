/* Messages of rtnetlink; see rtnl.h. */
#include "lib/rtnl.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/own.h"

enum { HEAR_SIZE = 1 << 18, BATCH_SIZE = 1 << 15, BATCH_COUNT = 128, LIST_TRIES = 20 };

int rtnl_open(int *ret_fd, struct err *e)
{
	own_fd fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
	int room = 4 << 20, on = 1;

	if (fd < 0)
		return err_sys(e, "make a netlink socket");
	if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &room, sizeof(room)) < 0)
		setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &room, sizeof(room));
	setsockopt(fd, SOL_NETLINK, NETLINK_EXT_ACK, &on, sizeof(on));
	setsockopt(fd, SOL_NETLINK, NETLINK_CAP_ACK, &on, sizeof(on));
	*ret_fd = take_fd(&fd);
	return 0;
}

int rtnl_open_other(int protocol)
{
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, protocol);

	return fd < 0 ? -errno : fd;
}

/* --- reading ------------------------------------------------------------------------------------ */

static const struct rtattr *find(const struct rtattr *a, int size, unsigned short type)
{
	for (; RTA_OK(a, size); a = RTA_NEXT(a, size))
		if ((a->rta_type & NLA_TYPE_MASK) == type)
			return a;
	return NULL;
}

const struct rtattr *rtnl_find(const struct nlmsghdr *m, size_t head, unsigned short type)
{
	size_t at = NLMSG_SPACE(head);

	if (m->nlmsg_len < at)
		return NULL;
	return find((const struct rtattr *)((const char *)m + at), (int)(m->nlmsg_len - at), type);
}

const struct rtattr *rtnl_find_in(const struct rtattr *list, unsigned short type)
{
	return list ? find(RTA_DATA(list), RTA_PAYLOAD(list), type) : NULL;
}

uint32_t rtnl_u32(const struct rtattr *a)
{
	uint32_t value = 0;

	if (a && RTA_PAYLOAD(a) >= sizeof(value))
		memcpy(&value, RTA_DATA(a), sizeof(value));
	return value;
}

const char *rtnl_text(const struct rtattr *a)
{
	size_t size = a ? RTA_PAYLOAD(a) : 0;

	return size && !((const char *)RTA_DATA(a))[size - 1] ? RTA_DATA(a) : NULL;
}

/* --- writing ------------------------------------------------------------------------------------ */

void rtnl_begin(struct rtnl_message *m, int type, int flags, const void *head, size_t size)
{
	assert(NLMSG_SPACE(size) <= sizeof(*m));
	memset(m, 0, NLMSG_SPACE(size));
	m->head.nlmsg_len = NLMSG_SPACE(size);
	m->head.nlmsg_type = (uint16_t)type;
	m->head.nlmsg_flags = (uint16_t)(flags | NLM_F_REQUEST);
	memcpy(NLMSG_DATA(&m->head), head, size);
}

struct rtattr *rtnl_add(struct rtnl_message *m, int type, const void *data, size_t size)
{
	struct rtattr *a = (struct rtattr *)(m->bytes + NLMSG_ALIGN(m->head.nlmsg_len));

	assert(NLMSG_ALIGN(m->head.nlmsg_len) + RTA_SPACE(size) <= sizeof(*m));
	memset(a, 0, RTA_SPACE(size));
	a->rta_type = (unsigned short)type;
	a->rta_len = (unsigned short)RTA_LENGTH(size);
	if (size)
		memcpy(RTA_DATA(a), data, size);
	m->head.nlmsg_len = NLMSG_ALIGN(m->head.nlmsg_len) + RTA_SPACE(size);
	return a;
}

void rtnl_add_u32(struct rtnl_message *m, int type, uint32_t value)
{
	rtnl_add(m, type, &value, sizeof(value));
}

void rtnl_add_text(struct rtnl_message *m, int type, const char *text)
{
	rtnl_add(m, type, text, strlen(text) + 1);
}

struct rtattr *rtnl_nest(struct rtnl_message *m, int type)
{
	return rtnl_add(m, type | NLA_F_NESTED, NULL, 0);
}

void rtnl_nest_end(struct rtnl_message *m, struct rtattr *nest)
{
	nest->rta_len = (unsigned short)(m->bytes + m->head.nlmsg_len - (char *)nest);
}

/* --- asking ------------------------------------------------------------------------------------- */

static int send_bytes(int fd, const void *data, size_t size)
{
	struct sockaddr_nl kernel = { .nl_family = AF_NETLINK };
	ssize_t n;

	do
		n = sendto(fd, data, size, 0, (struct sockaddr *)&kernel, sizeof(kernel));
	while (n < 0 && errno == EINTR);
	return n < 0 ? -errno : 0;
}

static ssize_t hear_bytes(int fd, void *buf)
{
	ssize_t n;

	do
		n = recv(fd, buf, HEAR_SIZE, 0);
	while (n < 0 && errno == EINTR);
	return n < 0 ? -errno : n;
}

/* What an answer says in words. */
static const char *words_of(const struct nlmsghdr *m)
{
	const struct rtattr *a;

	if (!(m->nlmsg_flags & NLM_F_ACK_TLVS))
		return "";
	a = rtnl_find(m, sizeof(struct nlmsgerr), NLMSGERR_ATTR_MSG);
	return rtnl_text(a) ?: "";
}

static int error_of(const struct nlmsghdr *m)
{
	const struct nlmsgerr *answer = NLMSG_DATA(m);

	return m->nlmsg_len >= NLMSG_LENGTH(sizeof(int)) ? answer->error : -EPROTO;
}

/* 1: there is more to come. */
static int hear_part(int fd, char *buf, bool *changed,
		     void (*hear)(const struct nlmsghdr *m, void *arg), void *arg)
{
	ssize_t left = hear_bytes(fd, buf);
	const struct nlmsghdr *m = (const struct nlmsghdr *)buf;

	if (left < 0)
		return (int)left;
	for (; NLMSG_OK(m, left); m = NLMSG_NEXT(m, left)) {
		*changed |= m->nlmsg_flags & NLM_F_DUMP_INTR;
		if (m->nlmsg_type == NLMSG_DONE)
			return m->nlmsg_len > NLMSG_HDRLEN ? error_of(m) : 0;
		if (m->nlmsg_type == NLMSG_ERROR)
			return error_of(m);
		hear(m, arg);
	}
	return 1;
}

int rtnl_list(int fd, const struct rtnl_message *question,
	      void (*hear)(const struct nlmsghdr *m, void *arg), void (*forget)(void *arg),
	      void *arg)
{
	own_mem char *buf = malloc(HEAR_SIZE);
	struct rtnl_message q = *question;
	bool changed = true;
	int r = 1;

	if (!buf)
		return -ENOMEM;
	q.head.nlmsg_flags |= NLM_F_DUMP;
	for (int tries = 0; changed && tries < LIST_TRIES; tries++) {
		if (forget)
			forget(arg);
		changed = false;
		r = send_bytes(fd, &q, q.head.nlmsg_len);
		if (r < 0)
			return r;
		while ((r = hear_part(fd, buf, &changed, hear, arg)) > 0)
			;
		if (r < 0)
			return r;
	}
	return changed ? -EAGAIN : 0;
}

int rtnl_ask(int fd, struct rtnl_message *m, char said[128])
{
	own_mem char *buf = malloc(HEAR_SIZE);
	const struct nlmsghdr *answer = (const struct nlmsghdr *)buf;
	ssize_t n;
	int r;

	if (!buf)
		return -ENOMEM;
	m->head.nlmsg_flags |= NLM_F_ACK;
	r = send_bytes(fd, m, m->head.nlmsg_len);
	if (r < 0)
		return r;
	n = hear_bytes(fd, buf);
	if (n < 0)
		return (int)n;
	if (!NLMSG_OK(answer, n) || answer->nlmsg_type != NLMSG_ERROR)
		return -EPROTO;
	if (said)
		snprintf(said, 128, "%s", words_of(answer));
	return error_of(answer);
}

/* --- many at once ------------------------------------------------------------------------------- */

struct rtnl_batch {
	int fd;
	rtnl_failed_fn failed;
	void *arg;
	size_t size, count; /* that were not sent yet */
	size_t first;	    /* number of the first of them */
	char heard[HEAR_SIZE];
	char bytes[BATCH_SIZE];
};

int rtnl_batch_new(int fd, rtnl_failed_fn failed, void *arg, struct rtnl_batch **ret, struct err *e)
{
	struct rtnl_batch *b = malloc(sizeof(*b));

	if (!b)
		return err_sys(e, "memory for requests of netlink");
	b->fd = fd;
	b->failed = failed;
	b->arg = arg;
	b->size = b->count = b->first = 0;
	*ret = b;
	return 0;
}

void rtnl_batch_free(struct rtnl_batch **b)
{
	free(*b);
	*b = NULL;
}

/* How many answers there were. */
static int hear_answers(struct rtnl_batch *b, bool *stopped, struct err *e)
{
	ssize_t left = hear_bytes(b->fd, b->heard);
	const struct nlmsghdr *m = (const struct nlmsghdr *)b->heard;
	int n = 0;

	if (left < 0)
		return err_res(e, (int)left, "hear what netlink answers");
	for (; NLMSG_OK(m, left); m = NLMSG_NEXT(m, left)) {
		int error;

		if (m->nlmsg_type != NLMSG_ERROR)
			continue;
		n++;
		error = error_of(m);
		if (error && !*stopped &&
		    b->failed(b->arg, m->nlmsg_seq, -error, words_of(m), e) < 0)
			*stopped = true;
	}
	return n;
}

int rtnl_batch_finish(struct rtnl_batch *b, struct err *e)
{
	size_t count = b->count;
	bool stopped = false;
	int r;

	if (!count)
		return 0;
	r = send_bytes(b->fd, b->bytes, b->size);
	b->first += count;
	b->size = b->count = 0;
	if (r < 0)
		return err_res(e, r, "ask by netlink");
	for (size_t heard = 0; heard < count; heard += (size_t)r)
		if ((r = hear_answers(b, &stopped, e)) < 0)
			return r;
	return stopped ? e->code : 0;
}

int rtnl_batch_add(struct rtnl_batch *b, const struct nlmsghdr *m, struct err *e)
{
	size_t size = NLMSG_ALIGN(m->nlmsg_len);
	struct nlmsghdr *copy;

	if (size > BATCH_SIZE)
		return err_say(e, "a request of netlink has %zu bytes", size);
	if ((b->size + size > BATCH_SIZE || b->count == BATCH_COUNT) && rtnl_batch_finish(b, e) < 0)
		return e->code;
	copy = (struct nlmsghdr *)(b->bytes + b->size);
	memset(b->bytes + b->size + size - NLMSG_ALIGNTO, 0, NLMSG_ALIGNTO);
	memcpy(copy, m, m->nlmsg_len);
	copy->nlmsg_flags |= NLM_F_REQUEST | NLM_F_ACK;
	copy->nlmsg_seq = (uint32_t)(b->first + b->count);
	copy->nlmsg_pid = 0;
	b->size += size;
	b->count++;
	return 0;
}
