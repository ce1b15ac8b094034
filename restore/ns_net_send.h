/* Messages of the images are sent to the kernel again: shared by restore/ns/net_addresses.c and net_routes.c. */
#ifndef STASIS_RESTORE_NS_NET_SEND_H
#define STASIS_RESTORE_NS_NET_SEND_H

#include "lib/rtnl.h"
#include "restore/ns_net.h"

struct rsend {
	const struct rstream *in;
	const char *what; /* "set a route" */
	/* Makes a request of a message; false: there is nothing to be asked for. */
	bool (*convert)(struct nlmsghdr *m, struct rtnl_message *q);
	bool (*again)(int error); /* may be done after others; NULL: nothing is */
};

must_check int rsend_all(const struct rnet *n, const struct rsend *j, struct err *e);
/* The same with what the kernel has by now, of a kind and a family (j->in is not looked at): to take it away. */
must_check int rsend_made(const struct rnet *n, int type, int family, const struct rsend *j,
			  struct err *e);
size_t rsend_count(const struct rstream *in);
/* All attributes behind a head of this size but some, which end with a 0. */
void rsend_copy(const struct nlmsghdr *m, size_t head, const int *without, struct rtnl_message *q);

#endif
