/*
 * The interfaces of a network namespace. One that is made by software is kept as the kernel tells it, with what is below it; devices of the
 * machine cannot be made, and kinds that are not in the table are refused. What is attached to an interface besides (XDP programs)
 * is refused, too.
 */
#include <errno.h>
#include <linux/if_link.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "dump/ns_net.h"
#include "images/image.h"
#include "images/ns/netdev.pb-c.h"
#include "images/ns/netdev_extra.pb-c.h"
#include "lib/io.h"
#include "lib/net_conf.h"
#include "lib/rtnl.h"

static const struct kind {
	const char *name;
	NdType type;  /* in CRIU's images; EXTLINK: it knows none */
	bool outside; /* what is below it, or the peer, may be in another namespace */
} kinds[] = {
	{ "veth", ND_TYPE__VETH, true },       { "bridge", ND_TYPE__BRIDGE, false },
	{ "macvlan", ND_TYPE__MACVLAN, true }, { "tun", ND_TYPE__TUN, false },
	{ "dummy", ND_TYPE__EXTLINK, false },  { "vlan", ND_TYPE__EXTLINK, false },
	{ "ipvlan", ND_TYPE__EXTLINK, false },
};

static const struct kind *kind_of(const struct dnet_link *l)
{
	for (size_t i = 0; l->kind && i < ARRAY_SIZE(kinds); i++)
		if (strcmp(kinds[i].name, l->kind) == 0)
			return &kinds[i];
	return NULL;
}

static bool is_lo(const struct dnet_link *l)
{
	return l->flags & IFF_LOOPBACK;
}

/* --- reading ------------------------------------------------------------------------------------ */

struct reading {
	struct dnet *n;
	struct err *e;
};

static void hear(const struct nlmsghdr *m, void *arg)
{
	struct reading *r = arg;
	struct dnet *n = r->n;
	const struct ifinfomsg *head = NLMSG_DATA(m);
	const struct rtattr *info;
	struct dnet_link *l;

	if (m->nlmsg_type != RTM_NEWLINK || r->e->code ||
	    io_grow(&n->links, n->link_count, sizeof(*n->links), r->e) < 0)
		return;
	m = pool_copy(&n->d->pool, m, m->nlmsg_len);
	l = &n->links[n->link_count++];
	*l = (struct dnet_link){ .m = m,
				 .index = (uint32_t)head->ifi_index,
				 .flags = head->ifi_flags };
#define FIND(type) rtnl_find(m, sizeof(*head), type)
	l->name = rtnl_text(FIND(IFLA_IFNAME)) ?: "?";
	l->mtu = rtnl_u32(FIND(IFLA_MTU));
	l->link = rtnl_u32(FIND(IFLA_LINK));
	l->outside = FIND(IFLA_LINK_NETNSID);
	l->master = rtnl_u32(FIND(IFLA_MASTER));
	info = FIND(IFLA_LINKINFO);
	l->kind = rtnl_text(rtnl_find_in(info, IFLA_INFO_KIND));
	l->data = rtnl_find_in(info, IFLA_INFO_DATA);
	l->port = rtnl_find_in(info, IFLA_INFO_SLAVE_DATA);
}

static void forget(void *arg)
{
	struct reading *r = arg;

	r->n->link_count = 0;
}

static int by_index(const void *a, const void *b)
{
	uint32_t x = ((const struct dnet_link *)a)->index, y = ((const struct dnet_link *)b)->index;

	return x < y ? -1 : x > y;
}

const struct dnet_link *dnet_link_of(const struct dnet *n, uint32_t index)
{
	const struct dnet_link key = { .index = index };

	return n->link_count ? bsearch(&key, n->links, n->link_count, sizeof(key), by_index) : NULL;
}

static int refuse(const struct dnet_link *l, const char *what, const char *hint, struct err *e)
{
	err_code(e, ENOTSUP, "the interface '%s' %s", l->name, what);
	return err_hint(e, "%s, or leave the network to others with --empty-ns net", hint);
}

static int check_tun(const struct dnet_link *l, struct err *e)
{
	const struct rtattr *stays = rtnl_find_in(l->data, IFLA_TUN_PERSIST);

	if (!l->data)
		return refuse(l, "is one of tun, of which this kernel tells nothing", "remove it",
			      e);
	if (stays && *(const uint8_t *)RTA_DATA(stays))
		return 0;
	return refuse(l, "ends with the program that has made it, which is not supported",
		      "let it stay: TUNSETPERSIST, or make it with 'ip tuntap add'", e);
}

/* Which VLAN a port may use the bridge tells elsewhere. */
static int check_bridge(const struct dnet_link *l, struct err *e)
{
	const struct rtattr *filters = rtnl_find_in(l->data, IFLA_BR_VLAN_FILTERING);

	if (filters && *(const uint8_t *)RTA_DATA(filters))
		return refuse(l, "is a bridge that filters VLANs, which is not supported yet",
			      "switch that off", e);
	return 0;
}

static int check_below(const struct dnet *n, const struct dnet_link *l, const struct kind *k,
		       struct err *e)
{
	const struct dnet_link *below = l->link && !l->outside ? dnet_link_of(n, l->link) : NULL;

	if (l->master && (!dnet_link_of(n, l->master) || !dnet_link_of(n, l->master)->kind ||
			  strcmp(dnet_link_of(n, l->master)->kind, "bridge") != 0))
		return refuse(
			l,
			"belongs to one that is no bridge of this namespace, which is not supported yet",
			"take it out there", e);
	if (below || !l->link || (l->outside && k->outside))
		return 0;
	return refuse(l, "is upon one that is in another namespace, which is not supported",
		      "remove it", e);
}

static int check(const struct dnet *n, const struct dnet_link *l, struct err *e)
{
	const struct kind *k = kind_of(l);
	const struct rtattr *xdp = rtnl_find_in(rtnl_find(l->m, sizeof(struct ifinfomsg), IFLA_XDP),
						IFLA_XDP_ATTACHED);
	char what[96];

	if (is_lo(l))
		return 0;
	if (!l->kind)
		return refuse(l, "is a device of the machine, which cannot be made again",
			      "move it to another namespace", e);
	if (!k) {
		snprintf(what, sizeof(what), "is of the kind '%s', which is not supported yet",
			 l->kind);
		return refuse(l, what, "remove it", e);
	}
	if (xdp && *(const uint8_t *)RTA_DATA(xdp))
		return refuse(l, "has an XDP program, which is not supported", "remove that", e);
	if (k->type == ND_TYPE__TUN && check_tun(l, e) < 0)
		return e->code;
	if (k->type == ND_TYPE__BRIDGE && check_bridge(l, e) < 0)
		return e->code;
	return check_below(n, l, k, e);
}

void dnet_free(struct dnet *n)
{
	free(n->links);
	n->links = NULL;
	n->link_count = 0;
}

int dnet_read_links(struct dnet *n, struct err *e)
{
	struct ifinfomsg head = { .ifi_family = AF_UNSPEC };
	struct reading r = { n, e };
	struct rtnl_message question;
	int res;

	rtnl_begin(&question, RTM_GETLINK, 0, &head, sizeof(head));
	rtnl_add_u32(&question, IFLA_EXT_MASK, RTEXT_FILTER_SKIP_STATS);
	res = rtnl_list(n->fd, &question, hear, forget, &r);
	if (res < 0)
		return err_res(e, res, "list its interfaces");
	if (e->code)
		return e->code;
	qsort(n->links, n->link_count, sizeof(*n->links), by_index);
	for (size_t i = 0; i < n->link_count; i++)
		if (check(n, &n->links[i], e) < 0)
			return e->code;
	return 0;
}

/* --- saving ------------------------------------------------------------------------------------- */

static SysctlEntry **conf_of(struct pool *pool, const struct dnet_link *l, int family,
			     size_t *ret_count)
{
	size_t count = net_conf_counts[family];
	SysctlEntry **all = pool_array(pool, SysctlEntry *, count);
	SysctlEntry *entries = pool_array(pool, SysctlEntry, count);
	char text[128];

	for (size_t i = 0; i < count; i++) {
		const struct net_conf_name *n = &net_conf_names[family][i];

		all[i] = &entries[i];
		sysctl_entry__init(all[i]);
		all[i]->type = n->scale ? SYSCTL_TYPE__CTL_32 : SYSCTL_TYPE__CTL_STR;
		all[i]->has_iarg = net_conf_get(l->m, family, i, &all[i]->iarg);
		if (!n->scale && net_conf_read(family, l->name, n->name, text, sizeof(text)) == 0)
			all[i]->sarg = pool_text(pool, text);
	}
	*ret_count = count;
	return all;
}

static TunLinkEntry *tun_of(struct pool *pool, const struct dnet_link *l)
{
	TunLinkEntry *t = pool_new(pool, TunLinkEntry);
	const struct rtattr *owner = rtnl_find_in(l->data, IFLA_TUN_OWNER),
			    *group = rtnl_find_in(l->data, IFLA_TUN_GROUP);
#define BYTE(type)                                                     \
	({                                                             \
		const struct rtattr *a_ = rtnl_find_in(l->data, type); \
		a_ ? *(const uint8_t *)RTA_DATA(a_) : 0;               \
	})

	tun_link_entry__init(t);
	t->flags = BYTE(IFLA_TUN_TYPE) | IFF_PERSIST;
	t->flags |= BYTE(IFLA_TUN_PI) ? 0 : IFF_NO_PI;
	t->flags |= BYTE(IFLA_TUN_VNET_HDR) ? IFF_VNET_HDR : 0;
	t->flags |= BYTE(IFLA_TUN_MULTI_QUEUE) ? IFF_MULTI_QUEUE : 0;
#undef BYTE
	t->owner = owner ? (int32_t)rtnl_u32(owner) : -1;
	t->group = group ? (int32_t)rtnl_u32(group) : -1;
	/* Of one that nobody is attached to; dump/fd/tun.c has those of a descriptor. */
	t->vnethdr = 10;
	t->sndbuf = INT32_MAX;
	return t;
}

static MacvlanLinkEntry *macvlan_of(struct pool *pool, const struct dnet_link *l)
{
	MacvlanLinkEntry *v = pool_new(pool, MacvlanLinkEntry);
	const struct rtattr *flags = rtnl_find_in(l->data, IFLA_MACVLAN_FLAGS);

	macvlan_link_entry__init(v);
	v->mode = rtnl_u32(rtnl_find_in(l->data, IFLA_MACVLAN_MODE));
	if (flags) {
		v->has_flags = 1;
		v->flags = *(const uint16_t *)RTA_DATA(flags);
	}
	return v;
}

static ProtobufCBinaryData bytes_of(const struct rtattr *a)
{
	ProtobufCBinaryData bytes = { 0 };

	if (a) {
		bytes.len = RTA_PAYLOAD(a);
		bytes.data = RTA_DATA(a);
	}
	return bytes;
}

static void fill(const struct dnet *n, const struct dnet_link *l, NetDeviceEntry *m)
{
	struct pool *pool = &n->d->pool;
	const struct rtattr *address = rtnl_find(l->m, sizeof(struct ifinfomsg), IFLA_ADDRESS);

	net_device_entry__init(m);
	m->type = is_lo(l) ? ND_TYPE__LOOPBACK : kind_of(l)->type;
	m->ifindex = l->index;
	m->mtu = l->mtu;
	m->flags = l->flags;
	m->name = (char *)l->name;
	m->has_address = address && !is_lo(l);
	m->address = bytes_of(m->has_address ? address : NULL);
	m->conf4 = conf_of(pool, l, CONF_V4, &m->n_conf4);
	m->conf6 = conf_of(pool, l, CONF_V6, &m->n_conf6);
	m->has_peer_ifindex = 1;
	m->peer_ifindex = l->link ?: l->index;
	if (m->type == ND_TYPE__VETH && !l->outside) {
		m->has_peer_nsid = 1;
		m->peer_nsid = n->id;
	}
	m->has_master = l->master != 0;
	m->master = l->master;
	m->tun = m->type == ND_TYPE__TUN ? tun_of(pool, l) : NULL;
	m->macvlan = m->type == ND_TYPE__MACVLAN ? macvlan_of(pool, l) : NULL;
}

/* Other names; a list of one attribute, repeated. */
static void add_altnames(struct pool *pool, const struct dnet_link *l, NetdevExtraEntry *x)
{
	const struct rtattr *list = rtnl_find(l->m, sizeof(struct ifinfomsg), IFLA_PROP_LIST);
	const struct rtattr *a = list ? RTA_DATA(list) : NULL;
	int left = list ? (int)RTA_PAYLOAD(list) : 0;

	x->altnames = pool_array(pool, char *, (size_t)left / RTA_LENGTH(1) + 1);
	for (; a && RTA_OK(a, left); a = RTA_NEXT(a, left))
		if ((a->rta_type & NLA_TYPE_MASK) == IFLA_ALT_IFNAME && rtnl_text(a))
			x->altnames[x->n_altnames++] = (char *)rtnl_text(a);
}

static void fill_extra(const struct dnet *n, const struct dnet_link *l, NetdevExtraEntry *x)
{
	const struct rtattr *spec = rtnl_find(l->m, sizeof(struct ifinfomsg), IFLA_AF_SPEC);
	const struct rtattr *six = rtnl_find_in(spec, AF_INET6);
	const struct rtattr *mode = rtnl_find_in(six, IFLA_INET6_ADDR_GEN_MODE);
#define NUMBER(field, type)                                                                \
	do {                                                                               \
		const struct rtattr *a_ = rtnl_find(l->m, sizeof(struct ifinfomsg), type); \
		x->has_##field = a_ != NULL;                                               \
		x->field = rtnl_u32(a_);                                                   \
	} while (0)

	netdev_extra_entry__init(x);
	x->ifindex = l->index;
	x->kind = (char *)l->kind;
	x->has_data = l->data != NULL;
	x->data = bytes_of(l->data);
	x->has_port = l->port != NULL;
	x->port = bytes_of(l->port);
	NUMBER(link, IFLA_LINK);
	x->has_link_outside = x->link_outside = l->outside;
	NUMBER(txqlen, IFLA_TXQLEN);
	NUMBER(group, IFLA_GROUP);
	NUMBER(tx_queues, IFLA_NUM_TX_QUEUES);
	NUMBER(rx_queues, IFLA_NUM_RX_QUEUES);
#undef NUMBER
	x->alias = (char *)rtnl_text(rtnl_find(l->m, sizeof(struct ifinfomsg), IFLA_IFALIAS));
	add_altnames(&n->d->pool, l, x);
	if (mode) {
		x->has_addr_gen_mode = 1;
		x->addr_gen_mode = *(const uint8_t *)RTA_DATA(mode);
	}
	x->has_token = rtnl_find_in(six, IFLA_INET6_TOKEN) != NULL;
	x->token = bytes_of(rtnl_find_in(six, IFLA_INET6_TOKEN));
}

int dnet_save_links(struct dnet *n, struct err *e)
{
	own_image img = {};
	own_image more = {};

	if (image_create(&img, n->d->images, IMG_NETDEV, n->id, e) < 0 ||
	    image_create(&more, n->d->images, IMG_NETDEV_EXTRA, n->id, e) < 0)
		return e->code;
	for (size_t i = 0; i < n->link_count; i++) {
		NetDeviceEntry m;
		NetdevExtraEntry x;

		fill(n, &n->links[i], &m);
		fill_extra(n, &n->links[i], &x);
		if (image_write(&img, &m, e) < 0 || image_write(&more, &x, e) < 0)
			return e->code;
	}
	return image_close(&img, e) < 0 ? e->code : image_close(&more, e);
}
