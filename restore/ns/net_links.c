/*
 * Makes the interfaces, with the numbers and names that they had: those that others are upon first, as many as can be in one go. The other end of
 * a veth that led outside is made there, under the name that is asked for (--external veth[IN]:OUT) or any.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/if_bridge.h>
#include <linux/if_link.h>
#include <linux/veth.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>

#include "lib/own.h"
#include "lib/rtnl.h"
#include "restore/ns_net.h"

/* As --external says it: OUT or OUT@BRIDGE. */
struct outer {
	char name[IFNAMSIZ];   /* "": any */
	char bridge[IFNAMSIZ]; /* "": none */
};

static int outer_of(const struct restore *r, const struct rlink *l, struct outer *ret,
		    struct err *e)
{
	const char *value = NULL;
	char key[64];
	size_t name;

	*ret = (struct outer){ 0 };
	snprintf(key, sizeof(key), "veth[%s]", l->m->name);
	if (!options_external(r->opt, key, &value))
		return 0;
	name = strcspn(value, "@");
	if (name >= sizeof(ret->name) || strlen(value + name) > sizeof(ret->bridge))
		return err_say(e, "--external '%s:%s' has no name of an interface", key, value);
	memcpy(ret->name, value, name);
	if (value[name])
		snprintf(ret->bridge, sizeof(ret->bridge), "%s", value + name + 1);
	return 0;
}

/* --- one ---------------------------------------------------------------------------------------- */

static void add_common(struct rtnl_message *q, const struct rlink *l)
{
	const NetDeviceEntry *m = l->m;
	const NetdevExtraEntry *x = l->x;

	rtnl_add_text(q, IFLA_IFNAME, m->name);
	rtnl_add_u32(q, IFLA_MTU, m->mtu);
	if (m->has_address && m->address.len)
		rtnl_add(q, IFLA_ADDRESS, m->address.data, m->address.len);
	if (!x)
		return;
	if (x->has_txqlen)
		rtnl_add_u32(q, IFLA_TXQLEN, x->txqlen);
	if (x->has_group)
		rtnl_add_u32(q, IFLA_GROUP, x->group);
	if (x->tx_queues)
		rtnl_add_u32(q, IFLA_NUM_TX_QUEUES, x->tx_queues);
	if (x->rx_queues)
		rtnl_add_u32(q, IFLA_NUM_RX_QUEUES, x->rx_queues);
}

static int add_peer(const struct restore *r, const struct rnet *n, const struct rlink *l,
		    struct rtnl_message *q, struct err *e)
{
	struct ifinfomsg head = { .ifi_index = l->peer ? (int)l->peer->m->ifindex : 0 };
	struct rtattr *data = rtnl_nest(q, IFLA_INFO_DATA), *peer;
	struct outer outer;

	if (outer_of(r, l, &outer, e) < 0)
		return e->code;
	peer = rtnl_add(q, VETH_INFO_PEER, &head, sizeof(head));
	if (l->peer) {
		add_common(q, l->peer);
	} else {
		if (outer.name[0])
			rtnl_add_text(q, IFLA_IFNAME, outer.name);
		rtnl_add_u32(q, IFLA_MTU, l->m->mtu);
		rtnl_add_u32(q, IFLA_NET_NS_FD, (uint32_t)n->outside);
	}
	rtnl_nest_end(q, peer);
	rtnl_nest_end(q, data);
	return 0;
}

static void add_macvlan(const NetDeviceEntry *m, struct rtnl_message *q)
{
	struct rtattr *data = rtnl_nest(q, IFLA_INFO_DATA);
	uint16_t flags = m->macvlan ? (uint16_t)m->macvlan->flags : 0;

	rtnl_add_u32(q, IFLA_MACVLAN_MODE, m->macvlan ? m->macvlan->mode : 0);
	rtnl_add(q, IFLA_MACVLAN_FLAGS, &flags, sizeof(flags));
	rtnl_nest_end(q, data);
}

/* What a bridge only tells: it is refused, or means nothing. VLANs it does not filter (dump/ns/net_links.c). */
static bool is_state(const struct rlink *l, int type)
{
	enum { FDB_N_LEARNED = 48 }; /* newer than our headers */
	static const int all[] = { IFLA_BR_VLAN_FILTERING,
				   IFLA_BR_ROOT_ID,
				   IFLA_BR_BRIDGE_ID,
				   IFLA_BR_ROOT_PORT,
				   IFLA_BR_ROOT_PATH_COST,
				   IFLA_BR_TOPOLOGY_CHANGE,
				   IFLA_BR_TOPOLOGY_CHANGE_DETECTED,
				   IFLA_BR_HELLO_TIMER,
				   IFLA_BR_TCN_TIMER,
				   IFLA_BR_TOPOLOGY_CHANGE_TIMER,
				   IFLA_BR_GC_TIMER,
				   IFLA_BR_FDB_FLUSH,
				   IFLA_BR_PAD,
				   IFLA_BR_MCAST_QUERIER_STATE,
				   FDB_N_LEARNED };

	for (size_t i = 0; l->m->type == ND_TYPE__BRIDGE && i < ARRAY_SIZE(all); i++)
		if (all[i] == type)
			return true;
	return false;
}

/* Only what is on: a kernel may lack an option, and so refuse to hear that it is off. */
static void trim_options(const struct rlink *l, struct rtattr *a)
{
	struct br_boolopt_multi *options = RTA_DATA(a);

	if (l->m->type == ND_TYPE__BRIDGE &&
	    (a->rta_type & NLA_TYPE_MASK) == IFLA_BR_MULTI_BOOLOPT &&
	    RTA_PAYLOAD(a) >= sizeof(*options))
		options->optmask = options->optval;
}

static void add_data(const struct rlink *l, struct rtnl_message *q)
{
	struct rtattr *data = rtnl_nest(q, IFLA_INFO_DATA);
	const struct rtattr *a = (const struct rtattr *)l->x->data.data;
	int left = (int)l->x->data.len;

	for (; RTA_OK(a, left); a = RTA_NEXT(a, left))
		if (!is_state(l, a->rta_type & NLA_TYPE_MASK))
			trim_options(l, rtnl_add(q, a->rta_type, RTA_DATA(a), RTA_PAYLOAD(a)));
	rtnl_nest_end(q, data);
}

static int add_info(const struct restore *r, const struct rnet *n, const struct rlink *l,
		    struct rtnl_message *q, struct err *e)
{
	struct rtattr *info = rtnl_nest(q, IFLA_LINKINFO);

	rtnl_add_text(q, IFLA_INFO_KIND, l->kind);
	if (l->m->type == ND_TYPE__VETH) {
		if (add_peer(r, n, l, q, e) < 0)
			return e->code;
	} else if (l->m->type == ND_TYPE__MACVLAN) {
		add_macvlan(l->m, q);
	} else if (l->x && l->x->data.len) {
		add_data(l, q);
	}
	rtnl_nest_end(q, info);
	return 0;
}

static bool is_macvlan_outside(const struct rlink *l)
{
	return l->m->type == ND_TYPE__MACVLAN && (!l->x || l->x->link_outside);
}

static int build(const struct restore *r, const struct rnet *n, const struct rlink *l,
		 struct rtnl_message *q, struct err *e)
{
	struct ifinfomsg head = { .ifi_index = (int)l->m->ifindex };

	rtnl_begin(q, RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, &head, sizeof(head));
	add_common(q, l);
	if (l->x && l->x->has_link && !l->x->link_outside && l->m->type != ND_TYPE__VETH)
		rtnl_add_u32(q, IFLA_LINK, l->x->link);
	return add_info(r, n, l, q, e);
}

/* --- all ----------------------------------------------------------------------------------------- */

struct making {
	struct restore *r;
	struct rnet *n;
	struct rlink **sent; /* by the number of the request */
	size_t count;
};

static int blame(const struct making *k, const struct rlink *l, int error, const char *said,
		 struct err *e)
{
	struct outer outer;

	if (outer_of(k->r, l, &outer, e) < 0)
		return e->code;
	if (error == EEXIST && l->kind && strcmp(l->kind, "veth") == 0 && !l->peer &&
	    outer.name[0]) {
		err_code(e, EEXIST, "the name '%s' for the other end of the veth '%s' is taken",
			 outer.name, l->m->name);
		return err_hint(e,
				"remove that interface, or give another name with --external "
				"'veth[%s]:NAME'",
				l->m->name);
	}
	err_res(e, -error, "make the interface '%s' (%s)", l->m->name, l->kind);
	return said[0] ? err_hint(e, "the kernel says: %s", said) : e->code;
}

static int failed(void *arg, size_t number, int error, const char *said, struct err *e)
{
	const struct making *k = arg;

	return blame(k, k->sent[number], error, said, e);
}

static bool can_be_made(const struct rnet *n, const struct rlink *l)
{
	const struct rlink *below;

	if (!l->x || !l->x->has_link || l->x->link_outside || l->m->type == ND_TYPE__VETH)
		return true;
	below = rnet_link_of(n, l->x->link);
	return !below || below->made;
}

/* A macvlan is made where that is upon which it is to be, and sent here at once. */
static int make_outside(void *arg, struct err *e)
{
	struct making *k = arg;
	const struct rlink *l = k->sent[0];
	struct rtnl_message q;
	const char *name = NULL;
	char key[64], said[128] = "";
	own_fd fd = -1;
	int res;

	snprintf(key, sizeof(key), "macvlan[%s]", l->m->name);
	options_external(k->r->opt, key, &name);
	if (rtnl_open(&fd, e) < 0 || build(k->r, k->n, l, &q, e) < 0)
		return e->code;
	rtnl_add_u32(&q, IFLA_LINK, if_nametoindex(name));
	rtnl_add_u32(&q, IFLA_NET_NS_FD, (uint32_t)k->r->ns->fd[NS_NET]);
	res = rtnl_ask(fd, &q, said);
	return res < 0 ? blame(k, l, -res, said, e) : 0;
}

static int make_one(struct making *k, struct rlink *l, struct rtnl_batch *batch, struct err *e)
{
	struct rtnl_message q;

	if (l->m->type == ND_TYPE__TUN)
		return rnet_make_tun(l, e);
	if (is_macvlan_outside(l)) {
		struct rlink *one[] = { l };
		struct making alone = { k->r, k->n, one, 1 };

		return namespace_run(&k->n->outside, 1, make_outside, &alone, e);
	}
	if (build(k->r, k->n, l, &q, e) < 0)
		return e->code;
	k->sent[k->count++] = l;
	return rtnl_batch_add(batch, &q.head, e);
}

/* Those that can be: returns how many. */
static int round_of(struct making *k, struct rtnl_batch *batch, struct err *e)
{
	struct rnet *n = k->n;
	int done = 0;

	for (size_t i = 0; i < n->link_count; i++) {
		struct rlink *l = &n->links[i];

		if (l->made || !l->kind || !can_be_made(n, l))
			continue;
		if (make_one(k, l, batch, e) < 0)
			return e->code;
		l->made = true;
		if (l->peer)
			l->peer->made = true;
		done++;
	}
	return rtnl_batch_finish(batch, e) < 0 ? e->code : done;
}

/* The other end of a veth gets into a bridge outside, and up. */
static int join_bridge(void *arg, struct err *e)
{
	const struct making *k = arg;
	struct ifinfomsg head = { .ifi_flags = IFF_UP, .ifi_change = IFF_UP };
	struct rtnl_message q;
	struct outer outer;
	own_fd fd = -1;
	uint32_t bridge;
	int res;

	if (outer_of(k->r, k->sent[0], &outer, e) < 0 || rtnl_open(&fd, e) < 0)
		return e->code;
	bridge = if_nametoindex(outer.bridge);
	if (!bridge)
		return err_sys(e, "the bridge '%s' for the other end of the veth '%s'",
			       outer.bridge, k->sent[0]->m->name);
	head.ifi_index = (int)if_nametoindex(outer.name);
	rtnl_begin(&q, RTM_NEWLINK, 0, &head, sizeof(head));
	rtnl_add_u32(&q, IFLA_MASTER, bridge);
	res = rtnl_ask(fd, &q, NULL);
	return res < 0 ?
		       err_res(e, res, "put '%s' into the bridge '%s'", outer.name, outer.bridge) :
		       0;
}

static int join_bridges(struct restore *r, struct rnet *n, struct err *e)
{
	for (size_t i = 0; i < n->link_count; i++) {
		struct rlink *l = &n->links[i];
		struct making alone = { r, n, &l, 1 };
		struct outer outer;

		if (l->m->type != ND_TYPE__VETH || l->peer)
			continue;
		if (outer_of(r, l, &outer, e) < 0)
			return e->code;
		if (outer.bridge[0] && namespace_run(&n->outside, 1, join_bridge, &alone, e) < 0)
			return e->code;
	}
	return 0;
}

/* Those that are to be there already. */
static int find_others(struct rnet *n, struct err *e)
{
	for (size_t i = 0; i < n->link_count; i++) {
		const NetDeviceEntry *m = n->links[i].m;

		if (!n->links[i].kind && if_nametoindex(m->name) != m->ifindex)
			return err_code(e, ENOTSUP,
					"the interface '%s', number %u, cannot be made: the images "
					"say that it has to be there",
					m->name, m->ifindex);
		if (!n->links[i].made && n->links[i].kind)
			return err_say(e, "the interface '%s' is upon itself", m->name);
	}
	return 0;
}

int rnet_make_links(struct restore *r, struct rnet *n, struct err *e)
{
	struct making k = { .r = r, .n = n };
	own_batch *batch = NULL;
	int done;

	k.sent = pool_array(&r->pool, struct rlink *, n->link_count + 1);
	if (rtnl_batch_new(n->fd, failed, &k, &batch, e) < 0)
		return e->code;
	while ((done = round_of(&k, batch, e)) > 0)
		;
	if (done < 0 || find_others(n, e) < 0)
		return e->code;
	return join_bridges(r, n, e);
}
