/*
 * Interfaces that are there become as they were: to whom they belong, what they are called besides, and up. Until all addresses are there IPv6
 * makes none by itself.
 */
#include <errno.h>
#include <linux/if_link.h>
#include <net/if.h>
#include <string.h>
#include <sys/socket.h>

#include "lib/own.h"
#include "lib/rtnl.h"
#include "restore/ns_net.h"

enum { FLAGS = IFF_NOARP | IFF_PROMISC | IFF_ALLMULTI | IFF_MULTICAST | IFF_DYNAMIC };
enum { NO_ADDRESS = IN6_ADDR_GEN_MODE_NONE };

struct asking {
	struct rnet *n;
	const char *what;
	struct rlink **sent; /* by the number of the request */
	size_t count, later;
};

static int failed(void *arg, size_t number, int error, const char *said, struct err *e)
{
	const struct asking *k = arg;

	err_res(e, -error, "%s the interface '%s'", k->what, k->sent[number]->m->name);
	return said[0] ? err_hint(e, "the kernel says: %s", said) : e->code;
}

static int ask(struct asking *k, struct rtnl_batch *batch, struct rlink *l,
	       const struct rtnl_message *q, struct err *e)
{
	k->sent[k->count++] = l;
	return rtnl_batch_add(batch, &q->head, e);
}

static void begin(struct rtnl_message *q, const struct rlink *l, unsigned flags, unsigned change)
{
	struct ifinfomsg head = { .ifi_index = (int)l->m->ifindex,
				  .ifi_flags = flags,
				  .ifi_change = change };

	rtnl_begin(q, RTM_NEWLINK, 0, &head, sizeof(head));
}

static void add_mode(struct rtnl_message *q, uint8_t mode)
{
	struct rtattr *spec = rtnl_nest(q, IFLA_AF_SPEC), *six = rtnl_nest(q, AF_INET6);

	rtnl_add(q, IFLA_INET6_ADDR_GEN_MODE, &mode, sizeof(mode));
	rtnl_nest_end(q, six);
	rtnl_nest_end(q, spec);
}

static bool has_six(const struct rlink *l)
{
	return l->x ? l->x->has_addr_gen_mode : false;
}

/* All else of a port is the bridge's to say. */
static bool is_setting(int type)
{
	/* Newer than our headers. */
	enum { MAB = IFLA_BRPORT_LOCKED + 1, MCAST_MAX_GROUPS = MAB + 2, NEIGH_VLAN_SUPPRESS };
	static const int all[] = {
		IFLA_BRPORT_PRIORITY,
		IFLA_BRPORT_COST,
		IFLA_BRPORT_MODE,
		IFLA_BRPORT_GUARD,
		IFLA_BRPORT_PROTECT,
		IFLA_BRPORT_FAST_LEAVE,
		IFLA_BRPORT_LEARNING,
		IFLA_BRPORT_UNICAST_FLOOD,
		IFLA_BRPORT_PROXYARP,
		IFLA_BRPORT_PROXYARP_WIFI,
		IFLA_BRPORT_MULTICAST_ROUTER,
		IFLA_BRPORT_MCAST_FLOOD,
		IFLA_BRPORT_MCAST_TO_UCAST,
		IFLA_BRPORT_BCAST_FLOOD,
		IFLA_BRPORT_GROUP_FWD_MASK,
		IFLA_BRPORT_NEIGH_SUPPRESS,
		IFLA_BRPORT_ISOLATED,
		IFLA_BRPORT_BACKUP_PORT,
		IFLA_BRPORT_MCAST_EHT_HOSTS_LIMIT,
		IFLA_BRPORT_LOCKED,
		MAB,
		MCAST_MAX_GROUPS,
		NEIGH_VLAN_SUPPRESS,
	};

	for (size_t i = 0; i < ARRAY_SIZE(all); i++)
		if (all[i] == type)
			return true;
	return false;
}

static void add_port(struct rtnl_message *q, const ProtobufCBinaryData *port)
{
	struct rtattr *info = rtnl_nest(q, IFLA_LINKINFO), *data;
	const struct rtattr *a = (const struct rtattr *)port->data;
	int left = (int)port->len;

	rtnl_add_text(q, IFLA_INFO_SLAVE_KIND, "bridge");
	data = rtnl_nest(q, IFLA_INFO_SLAVE_DATA);
	for (; RTA_OK(a, left); a = RTA_NEXT(a, left))
		if (is_setting(a->rta_type & NLA_TYPE_MASK))
			rtnl_add(q, a->rta_type, RTA_DATA(a), RTA_PAYLOAD(a));
	rtnl_nest_end(q, data);
	rtnl_nest_end(q, info);
}

static int add_altnames(struct asking *k, struct rtnl_batch *batch, struct rlink *l, struct err *e)
{
	struct rtnl_message q;
	struct rtattr *list;
	struct ifinfomsg head = { .ifi_index = (int)l->m->ifindex };

	if (!l->x || !l->x->n_altnames)
		return 0;
	rtnl_begin(&q, RTM_NEWLINKPROP, NLM_F_CREATE | NLM_F_EXCL | NLM_F_APPEND, &head,
		   sizeof(head));
	list = rtnl_nest(&q, IFLA_PROP_LIST);
	for (size_t i = 0; i < l->x->n_altnames && i < 32; i++)
		rtnl_add_text(&q, IFLA_ALT_IFNAME, l->x->altnames[i]);
	rtnl_nest_end(&q, list);
	return ask(k, batch, l, &q, e);
}

static int dress(struct asking *k, struct rtnl_batch *batch, struct rlink *l, struct err *e)
{
	struct rtnl_message q;

	begin(&q, l, l->m->flags & FLAGS, FLAGS);
	if (!l->kind || l->m->type == ND_TYPE__TUN) { /* it was not made with that */
		if (l->kind && l->m->has_address && l->m->address.len)
			rtnl_add(&q, IFLA_ADDRESS, l->m->address.data, l->m->address.len);
		rtnl_add_u32(&q, IFLA_MTU, l->m->mtu);
		if (l->x && l->x->has_txqlen)
			rtnl_add_u32(&q, IFLA_TXQLEN, l->x->txqlen);
		if (l->x && l->x->has_group)
			rtnl_add_u32(&q, IFLA_GROUP, l->x->group);
	}
	if (l->m->has_master && l->m->master)
		rtnl_add_u32(&q, IFLA_MASTER, l->m->master);
	if (l->x && l->x->alias)
		rtnl_add_text(&q, IFLA_IFALIAS, l->x->alias);
	if (has_six(l))
		add_mode(&q, NO_ADDRESS);
	if (ask(k, batch, l, &q, e) < 0)
		return e->code;
	if (l->x && l->x->port.len && l->m->has_master) {
		begin(&q, l, 0, 0);
		add_port(&q, &l->x->port);
		if (ask(k, batch, l, &q, e) < 0)
			return e->code;
	}
	return add_altnames(k, batch, l, e);
}

int rnet_dress_links(struct rnet *n, struct err *e)
{
	struct asking k = { .n = n, .what = "set up" };
	own_mem struct rlink **sent = calloc(n->link_count * 3 + 1, sizeof(struct rlink *));
	own_batch *batch = NULL;

	if (!sent)
		return err_sys(e, "memory for requests");
	k.sent = sent;
	if (rtnl_batch_new(n->fd, failed, &k, &batch, e) < 0)
		return e->code;
	for (size_t i = 0; i < n->link_count; i++)
		if (dress(&k, batch, &n->links[i], e) < 0)
			return e->code;
	return rtnl_batch_finish(batch, e);
}

/* --- up ----------------------------------------------------------------------------------------- */

/* What it is upon comes up first. */
static int not_yet(void *arg, size_t number, int error, const char *said, struct err *e)
{
	struct asking *k = arg;

	if (error != ENETDOWN)
		return failed(arg, number, error, said, e);
	k->sent[number]->up = false;
	k->later++;
	return 0;
}

static int round_up(struct asking *k, struct err *e)
{
	struct rnet *n = k->n;
	own_batch *batch = NULL;

	k->count = k->later = 0;
	if (rtnl_batch_new(n->fd, not_yet, k, &batch, e) < 0)
		return e->code;
	for (size_t i = 0; i < n->link_count; i++) {
		struct rlink *l = &n->links[i];
		struct rtnl_message q;

		if (l->up || !(l->m->flags & IFF_UP))
			continue;
		l->up = true;
		begin(&q, l, IFF_UP, IFF_UP);
		if (ask(k, batch, l, &q, e) < 0)
			return e->code;
	}
	return rtnl_batch_finish(batch, e);
}

int rnet_up(struct rnet *n, struct err *e)
{
	own_mem struct rlink **sent = calloc(n->link_count + 1, sizeof(struct rlink *));
	struct asking k = { .n = n, .what = "bring up", .sent = sent };
	size_t before;

	if (!sent)
		return err_sys(e, "memory for requests");
	k.later = n->link_count + 1;
	do {
		before = k.later;
		if (round_up(&k, e) < 0)
			return e->code;
	} while (k.later && k.later < before);
	for (size_t i = 0; i < n->link_count; i++)
		if (!n->links[i].up && n->links[i].m->flags & IFF_UP)
			return err_say(
				e, "the interface '%s' does not come up: what it is upon is down",
				n->links[i].m->name);
	return 0;
}

/* From here on IPv6 makes addresses as it did. */
int rnet_finish_links(struct rnet *n, struct err *e)
{
	struct asking k = { .n = n, .what = "set the addresses that IPv6 makes for" };
	own_mem struct rlink **sent = calloc(n->link_count + 1, sizeof(struct rlink *));
	own_batch *batch = NULL;

	if (!sent)
		return err_sys(e, "memory for requests");
	k.sent = sent;
	if (rtnl_batch_new(n->fd, failed, &k, &batch, e) < 0)
		return e->code;
	for (size_t i = 0; i < n->link_count; i++) {
		struct rlink *l = &n->links[i];
		struct rtnl_message q;

		if (!has_six(l) || l->x->addr_gen_mode == NO_ADDRESS)
			continue;
		begin(&q, l, 0, 0);
		add_mode(&q, (uint8_t)l->x->addr_gen_mode);
		if (ask(&k, batch, l, &q, e) < 0)
			return e->code;
	}
	return rtnl_batch_finish(batch, e);
}
