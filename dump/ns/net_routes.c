/*
 * Addresses, routes, rules and permanent neighbours: the messages in which the kernel tells them, as `ip addr save`, `ip route save`
 * and `ip rule save` write them. What the kernel makes by itself for an address is left out, and so are routes that go by
 * objects of their own (nexthops), which are refused.
 */
#include <errno.h>
#include <linux/if_addr.h>
#include <linux/neighbour.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "dump/ns_net.h"
#include "images/image.h"
#include "images/ns_streams.h"
#include "lib/rtnl.h"

struct stream {
	struct dnet *n;
	bool (*wants)(const struct nlmsghdr *m);
	FILE *out;
	bool by_object; /* a route that goes by one was seen */
};

static void hear(const struct nlmsghdr *m, void *arg)
{
	static const char zeros[NLMSG_ALIGNTO];
	struct stream *s = arg;
	bool route = m->nlmsg_type == RTM_NEWROUTE;

	if (!s->wants(m))
		return;
	s->by_object |= route && rtnl_find(m, sizeof(struct rtmsg), RTA_NH_ID);
	fwrite(m, 1, m->nlmsg_len, s->out);
	fwrite(zeros, 1, NLMSG_ALIGN(m->nlmsg_len) - m->nlmsg_len, s->out);
}

/* The list is told again from its beginning. */
static void forget(void *arg)
{
	struct stream *s = arg;

	rewind(s->out);
}

/* What is asked for: a family of addresses, and of neighbours those that we answer for. */
enum { PROXIES = 0x100 };

static int list(struct stream *s, int type, int family, struct err *e)
{
	/* Large enough for the heads of all of them. */
	struct ndmsg head = { .ndm_family = (unsigned char)family,
			      .ndm_flags = family & PROXIES ? NTF_PROXY : 0 };
	struct rtnl_message question;
	own_mem char *text = NULL;
	size_t size = 0;
	FILE *all = s->out;
	int res;

	s->out = open_memstream(&text, &size);
	if (!s->out)
		return err_sys(e, "memory for a list");
	rtnl_begin(&question, type, 0, &head, sizeof(head));
	res = rtnl_list(s->n->fd, &question, hear, forget, s);
	if (fclose(s->out) != 0)
		res = -ENOMEM;
	s->out = all;
	/* The kernel may do without rules, or without IPv6. */
	if (res == -EOPNOTSUPP || res == -EAFNOSUPPORT)
		return 0;
	if (res < 0)
		return err_res(e, res, "list %s",
			       type == RTM_GETADDR  ? "its addresses" :
			       type == RTM_GETRULE  ? "its rules" :
			       type == RTM_GETNEIGH ? "its neighbours" :
						      "its routes");
	if (s->by_object) {
		err_code(e, ENOTSUP,
			 "it has routes by nexthop objects, which are not supported yet");
		return err_hint(e, "use plain routes, or leave the network to others with "
				   "--empty-ns net");
	}
	if (size && fwrite(text, 1, size, all) != size)
		return err_sys(e, "memory for a list");
	return 0;
}

static bool any(const struct nlmsghdr *m)
{
	return m->nlmsg_type == RTM_NEWADDR || m->nlmsg_type == RTM_NEWRULE;
}

static bool is_own_route(const struct nlmsghdr *m)
{
	return m->nlmsg_type == RTM_NEWROUTE && !route_is_of_kernel(m);
}

static bool is_permanent(const struct nlmsghdr *m)
{
	const struct ndmsg *head = NLMSG_DATA(m);

	return m->nlmsg_type == RTM_NEWNEIGH &&
	       (head->ndm_state & NUD_PERMANENT || head->ndm_flags & NTF_PROXY) &&
	       head->ndm_type != RTN_MULTICAST && head->ndm_type != RTN_BROADCAST;
}

static const struct saved {
	enum image_kind kind;
	uint32_t magic; /* 0: none */
	int type;
	int families[4]; /* 0: no more */
	bool (*wants)(const struct nlmsghdr *m);
} all[] = {
	{ IMG_IFADDR, STREAM_ADDRESSES, RTM_GETADDR, { AF_INET, AF_INET6 }, any },
	{ IMG_ROUTE, STREAM_ROUTES, RTM_GETROUTE, { AF_INET, 0 }, is_own_route },
	{ IMG_ROUTE6, STREAM_ROUTES, RTM_GETROUTE, { AF_INET6, 0 }, is_own_route },
	{ IMG_RULE, STREAM_RULES, RTM_GETRULE, { AF_INET, AF_INET6 }, any },
	{ IMG_NEIGHBOURS,
	  0,
	  RTM_GETNEIGH,
	  { AF_INET, AF_INET6, AF_INET | PROXIES, AF_INET6 | PROXIES },
	  is_permanent },
};

static int save(struct dnet *n, const struct saved *one, struct err *e)
{
	struct stream s = { .n = n, .wants = one->wants };
	own_mem char *text = NULL;
	own_image img = {};
	size_t size = 0;
	int res = 0;

	s.out = open_memstream(&text, &size);
	if (!s.out)
		return err_sys(e, "memory for a list");
	if (one->magic)
		fwrite(&one->magic, sizeof(one->magic), 1, s.out);
	for (size_t i = 0; i < ARRAY_SIZE(one->families) && one->families[i] && res == 0; i++)
		res = list(&s, one->type, one->families[i], e);
	if (fclose(s.out) != 0 && res == 0)
		res = err_sys(e, "memory for a list");
	if (res < 0)
		return res;
	if (image_create(&img, n->d->images, one->kind, n->id, e) < 0 ||
	    image_write_extra(&img, text, size, e) < 0)
		return e->code;
	return image_close(&img, e);
}

int dnet_save_routes(struct dnet *n, struct err *e)
{
	for (size_t i = 0; i < ARRAY_SIZE(all); i++)
		if (save(n, &all[i], e) < 0)
			return e->code;
	return 0;
}
