/* Messages of netlink, sent to the kernel many at once, and again where one needs another; see ns_net_send.h. */
#include "restore/ns_net_send.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lib/own.h"

struct sending {
	int fd;
	const struct rsend *j;
	bool last;    /* what fails now has failed */
	size_t *sent; /* where the message is in the stream, by the number of the request */
	size_t count;
	size_t *left; /* that have to be tried again */
	size_t left_count;
};

static int failed(void *arg, size_t number, int error, const char *said, struct err *e)
{
	struct sending *s = arg;

	if (error == EEXIST)
		return 0;
	if (s->j->again && !s->last && s->j->again(error)) {
		s->left[s->left_count++] = s->sent[number];
		return 0;
	}
	err_res(e, -error, "%s", s->j->what);
	return said[0] ? err_hint(e, "the kernel says: %s", said) : e->code;
}

size_t rsend_count(const struct rstream *in)
{
	size_t left = in->size, n = 0;

	for (const struct nlmsghdr *m = (void *)in->data; NLMSG_OK(m, left);
	     m = NLMSG_NEXT(m, left))
		n++;
	return n;
}

static int send_at(struct sending *s, struct rtnl_batch *batch, size_t at, struct err *e)
{
	struct nlmsghdr *m = (struct nlmsghdr *)(s->j->in->data + at);
	struct rtnl_message q;

	if (m->nlmsg_len > sizeof(q) / 2)
		return err_say(e, "%s: a message of %u bytes", s->j->what, m->nlmsg_len);
	if (!s->j->convert(m, &q))
		return 0;
	s->sent[s->count++] = at;
	return rtnl_batch_add(batch, &q.head, e);
}

/* Once more those that could not be done, as long as that gets any of them done. */
static int send_rest(struct sending *s, struct err *e)
{
	own_mem size_t *todo = NULL;
	size_t count = s->left_count, before = SIZE_MAX;

	todo = calloc(count + 1, sizeof(*todo));
	if (!todo)
		return err_sys(e, "memory for requests");
	while (s->left_count) {
		own_batch *batch = NULL;

		s->last = s->left_count >= before;
		before = count = s->left_count;
		memcpy(todo, s->left, count * sizeof(*todo));
		s->left_count = s->count = 0;
		if (rtnl_batch_new(s->fd, failed, s, &batch, e) < 0)
			return e->code;
		for (size_t i = 0; i < count; i++)
			if (send_at(s, batch, todo[i], e) < 0)
				return e->code;
		if (rtnl_batch_finish(batch, e) < 0)
			return e->code;
	}
	return 0;
}

int rsend_all(const struct rnet *n, const struct rsend *j, struct err *e)
{
	const struct rstream *in = j->in;
	size_t total = rsend_count(in), left = in->size;
	own_mem size_t *sent = calloc(total + 1, sizeof(*sent));
	own_mem size_t *rest = calloc(total + 1, sizeof(*rest));
	struct sending s = { .fd = n->fd, .j = j, .sent = sent, .left = rest };
	own_batch *batch = NULL;

	if (!sent || !rest)
		return err_sys(e, "memory for requests");
	if (rtnl_batch_new(n->fd, failed, &s, &batch, e) < 0)
		return e->code;
	for (const struct nlmsghdr *m = (void *)in->data; NLMSG_OK(m, left);
	     m = NLMSG_NEXT(m, left))
		if (send_at(&s, batch, (size_t)((const char *)m - in->data), e) < 0)
			return e->code;
	if (rtnl_batch_finish(batch, e) < 0)
		return e->code;
	return send_rest(&s, e);
}

/* All attributes but some. */
void rsend_copy(const struct nlmsghdr *m, size_t head, const int *without, struct rtnl_message *q)
{
	const struct rtattr *a = (const void *)((const char *)m + NLMSG_SPACE(head));
	int left = (int)m->nlmsg_len - (int)NLMSG_SPACE(head);

	for (; RTA_OK(a, left); a = RTA_NEXT(a, left)) {
		bool skip = false;

		for (const int *w = without; *w; w++)
			skip |= (a->rta_type & NLA_TYPE_MASK) == *w;
		if (!skip)
			rtnl_add(q, a->rta_type, RTA_DATA(a), RTA_PAYLOAD(a));
	}
}

struct collected {
	struct rstream all;
	bool failed;
};

static void collect(const struct nlmsghdr *m, void *arg)
{
	struct collected *c = arg;
	size_t size = NLMSG_ALIGN(m->nlmsg_len);
	char *more = realloc(c->all.data, c->all.size + size);

	c->failed |= !more;
	if (!more)
		return;
	memset(more + c->all.size, 0, size);
	memcpy(more + c->all.size, m, m->nlmsg_len);
	c->all.data = more;
	c->all.size += size;
}

int rsend_made(const struct rnet *n, int type, int family, const struct rsend *j, struct err *e)
{
	/* Large enough for the heads of both. */
	struct rtmsg head = { .rtm_family = (unsigned char)family };
	struct collected c = { .failed = false };
	struct rsend removal = *j;
	struct rtnl_message question;
	int res;

	rtnl_begin(&question, type, 0, &head, sizeof(head));
	res = rtnl_list(n->fd, &question, collect, NULL, &c);
	removal.in = &c.all;
	if ((res < 0 && res != -EOPNOTSUPP && res != -EAFNOSUPPORT) || c.failed)
		err_res(e, res ?: -ENOMEM, "%s", j->what);
	else
		(void)!rsend_all(n, &removal, e);
	free(c.all.data);
	return e->code;
}
