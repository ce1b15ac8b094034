/*
 * Routes, rules and neighbours: the kernel's own messages are sent back to it, without what it only tells. Routes that it has made by
 * itself for addresses, and the rules of a new namespace, are taken away before.
 */
#include <errno.h>
#include <linux/fib_rules.h>
#include <linux/neighbour.h>
#include <string.h>
#include <sys/socket.h>

#include "images/ns_streams.h"
#include "restore/ns_net_send.h"

enum { TICKS = 100 }; /* USER_HZ: of lifetimes */

/* The kernel wants addresses that a gateway can be reached by first. */
static bool by_others(int error)
{
	return error == ENETUNREACH || error == EINVAL || error == EHOSTUNREACH ||
	       error == ENETDOWN;
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
	rsend_copy(m, sizeof(head), without, q);
	if (head.rtm_family == AF_INET6 && info && info->rta_expires > 0)
		rtnl_add_u32(q, RTA_EXPIRES, (uint32_t)info->rta_expires / TICKS);
	clean_ways(q);
	return true;
}

/* Those that came with an address. They come again as they were, in the order in which they are looked at. */
static bool convert_route_removal(struct nlmsghdr *m, struct rtnl_message *q)
{
	const struct rtmsg *head = NLMSG_DATA(m);

	if (head->rtm_protocol != RTPROT_KERNEL || !convert_route(m, q))
		return false;
	q->head.nlmsg_type = RTM_DELROUTE;
	q->head.nlmsg_flags = NLM_F_REQUEST;
	return true;
}

static int remove_routes(struct rnet *n, int family, struct err *e)
{
	const struct rsend removal = { NULL, "take away a route", convert_route_removal, NULL };

	return rsend_made(n, RTM_GETROUTE, family, &removal, e);
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
	rsend_copy(m, sizeof(head), none, q);
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
	const struct rsend removal = { NULL, "take away a rule", convert_rule_removal, NULL };

	return has_family(&n->rules, family) ? rsend_made(n, RTM_GETRULE, family, &removal, e) : 0;
}

/* --- neighbours ----------------------------------------------------------------------------------- */

static bool convert_neighbour(struct nlmsghdr *m, struct rtnl_message *q)
{
	static const int without[] = { NDA_CACHEINFO, NDA_PROBES, 0 };
	struct ndmsg head = *(struct ndmsg *)NLMSG_DATA(m);

	if (m->nlmsg_type != RTM_NEWNEIGH || m->nlmsg_len < NLMSG_SPACE(sizeof(head)))
		return false;
	rtnl_begin(q, RTM_NEWNEIGH, NLM_F_CREATE | NLM_F_REPLACE, &head, sizeof(head));
	rsend_copy(m, sizeof(head), without, q);
	return true;
}

int rnet_routes(struct rnet *n, struct err *e)
{
	const struct rsend jobs[] = {
		{ &n->routes, "set a route", convert_route, by_others },
		{ &n->routes6, "set a route of IPv6", convert_route, by_others },
		{ &n->rules, "set a rule", convert_rule, NULL },
		{ &n->neighbours, "set a neighbour", convert_neighbour, NULL },
	};

	/* By the rules gateways are looked for. */
	if (remove_routes(n, AF_INET, e) < 0 || rsend_all(n, &jobs[0], e) < 0 ||
	    remove_routes(n, AF_INET6, e) < 0 || rsend_all(n, &jobs[1], e) < 0 ||
	    remove_rules(n, AF_INET, e) < 0 || remove_rules(n, AF_INET6, e) < 0 ||
	    rsend_all(n, &jobs[2], e) < 0)
		return e->code;
	return rsend_all(n, &jobs[3], e);
}
