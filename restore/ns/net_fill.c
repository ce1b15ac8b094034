/*
 * The order in which a new network namespace is filled. Nothing is up before its settings are there, the packets that it must not let in are
 * dropped, and the connections of the tree are blocked: a packet from outside could end one that is not there yet.
 */
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>

#include "lib/nft_rules.h"
#include "lib/rtnl.h"
#include "restore/network.h"
#include "restore/ns_net.h"

/* Where all else is left to others, so that addresses of its own are there for the sockets. */
static int lo_up(struct rnet *n, struct err *e)
{
	struct ifinfomsg head = { .ifi_index = 1, .ifi_flags = IFF_UP, .ifi_change = IFF_UP };
	struct rtnl_message m;
	int res;

	rtnl_begin(&m, RTM_NEWLINK, 0, &head, sizeof(head));
	res = rtnl_ask(n->fd, &m, NULL);
	return res < 0 ? err_res(e, res, "bring up the interface 'lo'") : 0;
}

static int fill(struct restore *r, struct rnet *n, struct err *e)
{
	if (rnet_settings(r, n, e) < 0 || network_block_new(r, e) < 0)
		return e->code;
	if (r->opt->empty_net)
		return lo_up(n, e);
	if (rnet_make_links(r, n, e) < 0 || rnet_link_settings(r, n, e) < 0 ||
	    rnet_dress_links(n, e) < 0 || nft_rules_write(n->filter, e) < 0 || rnet_up(n, e) < 0 ||
	    rnet_addresses(n, e) < 0 || rnet_settle_addresses(n, e) < 0 || rnet_routes(n, e) < 0)
		return e->code;
	return rnet_finish_links(n, e);
}

int rnet_populate(struct restore *r, struct rnet *n, struct err *e)
{
	/* Our first thread is where it was. */
	own_fd outside = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	own_fd fd = -1;

	if (outside < 0)
		return err_sys(e, "open '/proc/self/ns/net'");
	if (rtnl_open(&fd, e) < 0)
		return e->code;
	n->fd = fd;
	n->outside = outside;
	return fill(r, n, e);
}
