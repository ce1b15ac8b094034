/* Filling a new network namespace: shared by restore/ns/net*.c. All of it is done inside, by a thread of ours, while nobody lives there. */
#ifndef STASIS_RESTORE_NS_NET_H
#define STASIS_RESTORE_NS_NET_H

#include <linux/rtnetlink.h>

#include "images/ns/net.pb-c.h"
#include "images/ns/netdev.pb-c.h"
#include "images/ns/netdev_extra.pb-c.h"
#include "restore/ns.h"

struct rlink {
	NetDeviceEntry *m;
	NetdevExtraEntry *x;  /* NULL: images of others have none */
	const char *kind;     /* "veth"; NULL: lo, or one that has to be there */
	struct rlink *peer;   /* of a veth; NULL: it is outside */
	bool made, up, carrier; /* carrier: its wire is plugged in by now */
};

/* A list of messages of netlink. */
struct rstream {
	char *data;
	size_t size;
};

struct rnet {
	uint32_t id;
	NetnsEntry *entry;
	const char *key; /* of one that is given to us; NULL: a new one is made */
	struct rlink *links; /* ascending by index */
	size_t link_count;
	struct rstream addresses, routes, routes6, rules, neighbours;
	char *filter; /* rules of nftables, "": none */
	int fd;	      /* lib/rtnl.h, while it is filled */
	int outside;  /* the network namespace of whoever restores, likewise */
};

/* restore/ns/net_load.c: what is to be in it. */
must_check int rnet_load(struct restore *r, struct rnet *n, struct err *e);
void rnet_close(struct rnet *n);
struct rlink *rnet_link_of(const struct rnet *n, uint32_t index);

/* restore/ns/net_fill.c: the order of things. */
must_check int rnet_populate(struct restore *r, struct rnet *n, struct err *e);
/* restore/ns/net_conf.c: settings of all interfaces, then those of each. */
must_check int rnet_settings(struct restore *r, struct rnet *n, struct err *e);
must_check int rnet_link_settings(struct restore *r, struct rnet *n, struct err *e);
/* restore/ns/net_links.c */
must_check int rnet_make_links(struct restore *r, struct rnet *n, struct err *e);
/* restore/ns/net_up.c: what they are called besides, whom they belong to; then up, in an order in which that works. */
must_check int rnet_dress_links(struct rnet *n, struct err *e);
must_check int rnet_up(struct rnet *n, struct err *e);
must_check int rnet_finish_links(struct rnet *n, struct err *e);
/* restore/ns/net_tun.c */
must_check int rnet_make_tun(const struct rlink *l, struct err *e);
/* restore/ns/net_routes.c */
must_check int rnet_addresses(struct rnet *n, struct err *e);
/* Now all of them can be used. */
must_check int rnet_settle_addresses(struct rnet *n, struct err *e);
must_check int rnet_routes(struct rnet *n, struct err *e);

#endif
