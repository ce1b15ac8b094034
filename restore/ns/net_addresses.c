/*
 * Addresses: the kernel's own messages are sent back to it, without what it only tells. Those that it has made by itself meanwhile, and the images
 * do not have, are taken away again.
 */
#include <errno.h>
#include <linux/if_addr.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/own.h"
#include "restore/ns_net_send.h"

enum { SETTLE_TRIES = 250 };
/* IFF_RUNNING, IFF_LOWER_UP: the headers of the library lack the second one. */
enum { RUNNING = 1 << 6, LOWER_UP = 1 << 16 };

static uint32_t flags_of(const struct nlmsghdr *m)
{
	const struct ifaddrmsg *head = NLMSG_DATA(m);
	const struct rtattr *all = rtnl_find(m, sizeof(*head), IFA_FLAGS);

	return all ? rtnl_u32(all) : head->ifa_flags;
}

/* more: flags that it has not. */
static bool build_address(const struct nlmsghdr *m, int request, uint32_t more,
			  struct rtnl_message *q)
{
	static const int without[] = { IFA_FLAGS, 0 };
	struct ifaddrmsg head = *(struct ifaddrmsg *)NLMSG_DATA(m);
	uint32_t flags = flags_of(m);

	if (m->nlmsg_type != RTM_NEWADDR || m->nlmsg_len < NLMSG_SPACE(sizeof(head)))
		return false;
	flags &= ~(uint32_t)(IFA_F_TENTATIVE | IFA_F_DADFAILED | IFA_F_PERMANENT | IFA_F_TEMPORARY |
			     IFA_F_DEPRECATED | IFA_F_STABLE_PRIVACY);
	flags |= more;
	head.ifa_flags = (unsigned char)flags;
	rtnl_begin(q, RTM_NEWADDR, request, &head, sizeof(head));
	rsend_copy(m, sizeof(head), without, q);
	rtnl_add_u32(q, IFA_FLAGS, flags);
	return true;
}

/* Of IPv6 it is usable at once, without asking around for somebody else who has it. */
static bool convert_address(struct nlmsghdr *m, struct rtnl_message *q)
{
	const struct ifaddrmsg *head = NLMSG_DATA(m);

	return build_address(m, NLM_F_CREATE | NLM_F_EXCL,
			     head->ifa_family == AF_INET6 ? IFA_F_NODAD : 0, q);
}

/* It was not made so, and shall not look so. That of the machine itself the kernel makes in its own way. */
static bool convert_settled(struct nlmsghdr *m, struct rtnl_message *q)
{
	const struct ifaddrmsg *head = NLMSG_DATA(m);

	return head->ifa_family == AF_INET6 && head->ifa_scope != RT_SCOPE_HOST &&
	       !(flags_of(m) & IFA_F_NODAD) && build_address(m, NLM_F_REPLACE, 0, q);
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
	rsend_copy(m, sizeof(head), none, q);
	return true;
}

/* Of IPv6 those of an interface that is not up are not told, nor are they lost. */
static int remove_surplus(struct rnet *n, struct err *e)
{
	const struct rstream *in = &n->addresses;
	struct ifaddrmsg head = { .ifa_family = AF_UNSPEC };
	own_mem struct key *keys = calloc(rsend_count(in) + 1, sizeof(*keys));
	struct surplus s = { .keys = keys, .e = e };
	const struct rsend removal = { &s.found, "take away an address", convert_removal, NULL };
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
		(void)!rsend_all(n, &removal, e);
	free(s.found.data);
	return e->code;
}

int rnet_addresses(struct rnet *n, struct err *e)
{
	const struct rsend j = { &n->addresses, "set an address", convert_address, NULL };

	if (rsend_all(n, &j, e) < 0)
		return e->code;
	return remove_surplus(n, e);
}

struct settling {
	const struct rnet *n;
	bool waits;
};

/* Where no wire is plugged in it stays so. */
static void hear_settling(const struct nlmsghdr *m, void *arg)
{
	struct settling *s = arg;
	const struct ifaddrmsg *head = NLMSG_DATA(m);
	const struct rlink *l;

	if (m->nlmsg_type != RTM_NEWADDR || !(flags_of(m) & IFA_F_TENTATIVE))
		return;
	l = rnet_link_of(s->n, head->ifa_index);
	s->waits |= l && l->carrier;
}

/* One that has not noticed yet that its wire is plugged in would get an address of IPv6 when it does. */
static void hear_link(const struct nlmsghdr *m, void *arg)
{
	struct settling *s = arg;
	const struct ifinfomsg *head = NLMSG_DATA(m);
	struct rlink *l = rnet_link_of(s->n, (uint32_t)head->ifi_index);

	if (m->nlmsg_type != RTM_NEWLINK || !l)
		return;
	l->carrier = head->ifi_flags & LOWER_UP;
	s->waits |= l->carrier && l->m->flags & RUNNING && !(head->ifi_flags & RUNNING);
}

static int look(struct settling *s, struct err *e)
{
	struct ifaddrmsg addresses = { .ifa_family = AF_INET6 };
	struct ifinfomsg links = { .ifi_family = AF_UNSPEC };
	struct rtnl_message question;
	int res;

	rtnl_begin(&question, RTM_GETLINK, 0, &links, sizeof(links));
	rtnl_add_u32(&question, IFLA_EXT_MASK, RTEXT_FILTER_SKIP_STATS);
	res = rtnl_list(s->n->fd, &question, hear_link, NULL, s);
	if (res < 0)
		return err_res(e, res, "list the interfaces that were made");
	rtnl_begin(&question, RTM_GETADDR, 0, &addresses, sizeof(addresses));
	res = rtnl_list(s->n->fd, &question, hear_settling, NULL, s);
	if (res < 0 && res != -EOPNOTSUPP && res != -EAFNOSUPPORT)
		return err_res(e, res, "list the addresses of IPv6");
	return 0;
}

/* The kernel makes them usable behind our back, within some milliseconds. */
int rnet_settle_addresses(struct rnet *n, struct err *e)
{
	const struct rsend j = { &n->addresses, "set an address of IPv6", convert_settled, NULL };
	struct settling s = { n, true };

	for (int i = 0; i < SETTLE_TRIES && s.waits; i++) {
		s.waits = false;
		if (look(&s, e) < 0)
			return e->code;
		if (s.waits)
			usleep(5000);
	}
	return rsend_all(n, &j, e);
}
