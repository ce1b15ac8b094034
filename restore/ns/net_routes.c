/*
 * Addresses, routes, rules and neighbours: the kernel's own messages are sent back to it, without what it only tells. What the kernel has made by
 * itself meanwhile, and the images do not have, is taken away again.
 */
#include <errno.h>
#include <linux/if_addr.h>
#include <linux/fib_rules.h>
#include <linux/neighbour.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "images/ns_streams.h"
#include "lib/io.h"
#include "lib/own.h"
#include "lib/rtnl.h"
#include "restore/ns_net.h"

enum { TICKS = 100 }; /* USER_HZ: of lifetimes */

/* --- sending ------------------------------------------------------------------------------------- */

struct job {
	const struct rstream *in;
	const char *what;
	/* Makes a request of a message; false: there is nothing to be asked for. */
	bool (*convert)(struct nlmsghdr *m, struct rtnl_message *q);
	bool (*again)(int error); /* may be done after others; NULL: nothing is */
};

struct sending {
	int fd;
	const struct job *j;
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

/* The kernel wants addresses that a gateway can be reached by first. */
static bool by_others(int error)
{
	return error == ENETUNREACH || error == EINVAL || error == EHOSTUNREACH ||
	       error == ENETDOWN;
}

static size_t count_messages(const struct rstream *in)
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

static int send_all(const struct rnet *n, const struct job *j, struct err *e)
{
	const struct rstream *in = j->in;
	size_t total = count_messages(in), left = in->size;
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
static void copy_attributes(const struct nlmsghdr *m, size_t head, const int *without,
			    struct rtnl_message *q)
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

/* --- addresses ------------------------------------------------------------------------------------ */

/* Nobody else has it: it was this one's. */
static bool convert_address(struct nlmsghdr *m, struct rtnl_message *q)
{
	static const int without[] = { IFA_FLAGS, 0 };
	struct ifaddrmsg head = *(struct ifaddrmsg *)NLMSG_DATA(m);
	const struct rtattr *all = rtnl_find(m, sizeof(head), IFA_FLAGS);
	uint32_t flags = all ? rtnl_u32(all) : head.ifa_flags;

	if (m->nlmsg_type != RTM_NEWADDR || m->nlmsg_len < NLMSG_SPACE(sizeof(head)))
		return false;
	flags &= ~(IFA_F_TENTATIVE | IFA_F_DADFAILED | IFA_F_PERMANENT | IFA_F_TEMPORARY |
		   IFA_F_DEPRECATED | IFA_F_STABLE_PRIVACY);
	if (head.ifa_family == AF_INET6)
		flags |= IFA_F_NODAD;
	head.ifa_flags = (unsigned char)flags;
	rtnl_begin(q, RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL, &head, sizeof(head));
	copy_attributes(m, sizeof(head), without, q);
	rtnl_add_u32(q, IFA_FLAGS, flags);
	return true;
}

/* What tells one address from another. */
struct key {
	uint32_t index;
	uint8_t family, prefix, local[16], address[16];
};

static void key_of(const struct nlmsghdr *m, struct key *ret)
{
	const struct ifaddrmsg *head = NLMSG_DATA(m);
	const struct rtattr *local = rtnl_find(m, sizeof(*head), IFA_LOCAL);
	const struct rtattr *address = rtnl_find(m, sizeof(*head), IFA_ADDRESS);

	memset(ret, 0, sizeof(*ret));
	ret->index = head->ifa_index;
	ret->family = head->ifa_family;
	ret->prefix = head->ifa_prefixlen;
	if (local && RTA_PAYLOAD(local) <= 16)
		memcpy(ret->local, RTA_DATA(local), RTA_PAYLOAD(local));
	if (address && RTA_PAYLOAD(address) <= 16)
		memcpy(ret->address, RTA_DATA(address), RTA_PAYLOAD(address));
}

static int by_key(const void *a, const void *b)
{
	return memcmp(a, b, sizeof(struct key));
}

struct surplus {
	const struct key *keys;
	size_t count;
	struct rstream found; /* that are not among them */
	struct err *e;
};

static void hear(const struct nlmsghdr *m, void *arg)
{
	struct surplus *s = arg;
	struct key key;
	char *more;

	if (m->nlmsg_type != RTM_NEWADDR)
		return;
	key_of(m, &key);
	if (s->count && bsearch(&key, s->keys, s->count, sizeof(key), by_key))
		return;
	more = realloc(s->found.data, s->found.size + NLMSG_ALIGN(m->nlmsg_len));
	if (!more) {
		s->e->code = err_sys(s->e, "memory for addresses");
		return;
	}
	s->found.data = more;
	memset(more + s->found.size, 0, NLMSG_ALIGN(m->nlmsg_len));
	memcpy(more + s->found.size, m, m->nlmsg_len);
	s->found.size += NLMSG_ALIGN(m->nlmsg_len);
}

static bool convert_removal(struct nlmsghdr *m, struct rtnl_message *q)
{
	static const int none[] = { 0 };
	struct ifaddrmsg head = *(struct ifaddrmsg *)NLMSG_DATA(m);

	rtnl_begin(q, RTM_DELADDR, 0, &head, sizeof(head));
	copy_attributes(m, sizeof(head), none, q);
	return true;
}

/* Of IPv6 those of an interface that is not up are not told, nor are they lost. */
static int remove_surplus(struct rnet *n, struct err *e)
{
	const struct rstream *in = &n->addresses;
	struct ifaddrmsg head = { .ifa_family = AF_UNSPEC };
	own_mem struct key *keys = calloc(count_messages(in) + 1, sizeof(*keys));
	struct surplus s = { .keys = keys, .e = e };
	const struct job removal = { &s.found, "take away an address", convert_removal, NULL };
	struct rtnl_message question;
	size_t left = in->size;
	int res;

	if (!keys)
		return err_sys(e, "memory for addresses");
	for (const struct nlmsghdr *m = (void *)in->data; NLMSG_OK(m, left);
	     m = NLMSG_NEXT(m, left))
		if (m->nlmsg_len >= NLMSG_SPACE(sizeof(head)))
			key_of(m, &keys[s.count++]);
	qsort(keys, s.count, sizeof(*keys), by_key);
	rtnl_begin(&question, RTM_GETADDR, 0, &head, sizeof(head));
	res = rtnl_list(n->fd, &question, hear, NULL, &s);
	if (res < 0)
		err_res(e, res, "list the addresses");
	if (e->code == 0 && s.found.size)
		(void)!send_all(n, &removal, e);
	free(s.found.data);
	return e->code;
}

int rnet_addresses(struct rnet *n, struct err *e)
{
	const struct job j = { &n->addresses, "set an address", convert_address, NULL };

	if (send_all(n, &j, e) < 0)
		return e->code;
	return remove_surplus(n, e);
}

/* --- routes --------------------------------------------------------------------------------------- */

/* Which of several ways are dead the kernel finds out by itself. */
static void clean_ways(struct rtnl_message *q)
{
	struct rtattr *list =
		(struct rtattr *)rtnl_find(&q->head, sizeof(struct rtmsg), RTA_MULTIPATH);
	struct rtnexthop *way = list ? RTA_DATA(list) : NULL;
	int left = list ? (int)RTA_PAYLOAD(list) : 0;

	while (left >= (int)sizeof(*way) && way->rtnh_len >= sizeof(*way) &&
	       way->rtnh_len <= left) {
		way->rtnh_flags &= RTNH_F_ONLINK | RTNH_F_PERVASIVE;
		left -= (int)RTNH_ALIGN(way->rtnh_len);
		way = RTNH_NEXT(way);
	}
}

static bool convert_route(struct nlmsghdr *m, struct rtnl_message *q)
{
	static const int without[] = { RTA_CACHEINFO, 0 };
	struct rtmsg head = *(struct rtmsg *)NLMSG_DATA(m);
	const struct rtattr *cache = rtnl_find(m, sizeof(head), RTA_CACHEINFO);
	const struct rta_cacheinfo *info =
		cache && RTA_PAYLOAD(cache) >= sizeof(*info) ? RTA_DATA(cache) : NULL;

	if (m->nlmsg_type != RTM_NEWROUTE || m->nlmsg_len < NLMSG_SPACE(sizeof(head)) ||
	    route_is_of_kernel(m))
		return false;
	head.rtm_flags &= RTNH_F_ONLINK | RTNH_F_PERVASIVE;
	rtnl_begin(q, RTM_NEWROUTE, NLM_F_CREATE | NLM_F_APPEND, &head, sizeof(head));
	copy_attributes(m, sizeof(head), without, q);
	if (head.rtm_family == AF_INET6 && info && info->rta_expires > 0)
		rtnl_add_u32(q, RTA_EXPIRES, (uint32_t)info->rta_expires / TICKS);
	clean_ways(q);
	return true;
}

/* --- rules ---------------------------------------------------------------------------------------- */

static bool convert_rule(struct nlmsghdr *m, struct rtnl_message *q)
{
	static const int none[] = { 0 };
	struct fib_rule_hdr head = *(struct fib_rule_hdr *)NLMSG_DATA(m);

	if (m->nlmsg_type != RTM_NEWRULE || m->nlmsg_len < NLMSG_SPACE(sizeof(head)))
		return false;
	head.flags &= FIB_RULE_INVERT;
	rtnl_begin(q, RTM_NEWRULE, NLM_F_CREATE | NLM_F_EXCL, &head, sizeof(head));
	copy_attributes(m, sizeof(head), none, q);
	return true;
}

static bool convert_rule_removal(struct nlmsghdr *m, struct rtnl_message *q)
{
	if (!convert_rule(m, q))
		return false;
	q->head.nlmsg_type = RTM_DELRULE;
	q->head.nlmsg_flags = NLM_F_REQUEST;
	return true;
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

static bool has_family(const struct rstream *in, int family)
{
	size_t left = in->size;

	for (const struct nlmsghdr *m = (void *)in->data; NLMSG_OK(m, left);
	     m = NLMSG_NEXT(m, left))
		if (((struct rtgenmsg *)NLMSG_DATA(m))->rtgen_family == family)
			return true;
	return false;
}

/* A new namespace has three for IPv4 and two for IPv6. Those that `ip rule save` has written are of IPv4 alone. */
static int remove_rules(struct rnet *n, int family, struct err *e)
{
	struct fib_rule_hdr head = { .family = (uint8_t)family };
	struct collected c = { .failed = false };
	const struct job removal = { &c.all, "take away a rule", convert_rule_removal, NULL };
	struct rtnl_message question;
	int res;

	if (!has_family(&n->rules, family))
		return 0;
	rtnl_begin(&question, RTM_GETRULE, 0, &head, sizeof(head));
	res = rtnl_list(n->fd, &question, collect, NULL, &c);
	if (res < 0 || c.failed)
		err_res(e, res ?: -ENOMEM, "list the rules");
	else
		(void)!send_all(n, &removal, e);
	free(c.all.data);
	return e->code;
}

/* --- neighbours ----------------------------------------------------------------------------------- */

static bool convert_neighbour(struct nlmsghdr *m, struct rtnl_message *q)
{
	static const int without[] = { NDA_CACHEINFO, NDA_PROBES, 0 };
	struct ndmsg head = *(struct ndmsg *)NLMSG_DATA(m);

	if (m->nlmsg_type != RTM_NEWNEIGH || m->nlmsg_len < NLMSG_SPACE(sizeof(head)))
		return false;
	rtnl_begin(q, RTM_NEWNEIGH, NLM_F_CREATE | NLM_F_REPLACE, &head, sizeof(head));
	copy_attributes(m, sizeof(head), without, q);
	return true;
}

int rnet_routes(struct rnet *n, struct err *e)
{
	const struct job jobs[] = {
		{ &n->routes, "set a route", convert_route, by_others },
		{ &n->routes6, "set a route of IPv6", convert_route, by_others },
		{ &n->rules, "set a rule", convert_rule, NULL },
		{ &n->neighbours, "set a neighbour", convert_neighbour, NULL },
	};

	/* By the rules gateways are looked for. */
	if (send_all(n, &jobs[0], e) < 0 || send_all(n, &jobs[1], e) < 0 ||
	    remove_rules(n, AF_INET, e) < 0 || remove_rules(n, AF_INET6, e) < 0 ||
	    send_all(n, &jobs[2], e) < 0)
		return e->code;
	return send_all(n, &jobs[3], e);
}
