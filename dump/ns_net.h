/* What is in a network namespace: shared by dump/ns/net*.c. All of it runs inside, by a thread of ours. */
#ifndef STASIS_DUMP_NS_NET_H
#define STASIS_DUMP_NS_NET_H

#include <linux/rtnetlink.h>

#include "dump/ns.h"

/* An interface, as the kernel tells it. */
struct dnet_link {
	const struct nlmsghdr *m;
	uint32_t index, flags, mtu;
	const char *name;
	const char *kind;	    /* "veth"; NULL: lo, or a device of the machine */
	const struct rtattr *data;  /* IFLA_INFO_DATA; NULL: none */
	const struct rtattr *port;  /* IFLA_INFO_SLAVE_DATA; NULL: none */
	uint32_t link;		    /* index of what is below, or the peer; 0: none */
	bool outside;		    /* that one is in another namespace */
	uint32_t master;	    /* 0: none */
};

struct dnet {
	struct dump *d;
	uint32_t id;
	int fd; /* lib/rtnl.h */
	struct dnet_link *links;
	size_t link_count;
};

/* dump/ns/net_links.c: which there are; refuses those that cannot be made again. */
must_check int dnet_read_links(struct dnet *n, struct err *e);
must_check int dnet_save_links(struct dnet *n, struct err *e);
void dnet_free(struct dnet *n);
const struct dnet_link *dnet_link_of(const struct dnet *n, uint32_t index);
/* dump/ns/net_routes.c: addresses, routes, rules and neighbours. */
must_check int dnet_save_routes(struct dnet *n, struct err *e);
/* dump/ns/net_filter.c: what filters packets, or shapes their flow. */
must_check int dnet_check_filter(struct dnet *n, struct err *e);
must_check int dnet_save_filter(struct dnet *n, struct err *e);

#endif
