/*
 * What filters packets: the rules of nftables, as `nft list ruleset` has them. Rules of the older iptables are refused, and so is
 * what shapes the flow of packets (queueing disciplines that somebody has chosen).
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>

#include "dump/ns_net.h"
#include "images/image.h"
#include "lib/io.h"
#include "lib/nft_rules.h"
#include "lib/rtnl.h"

/* The kernel has given the ones of its own choice no handle. */
struct queueing {
	char kind[32];
	int interface; /* 0: there is none */
};

static void hear(const struct nlmsghdr *m, void *arg)
{
	const struct tcmsg *head = NLMSG_DATA(m);
	struct queueing *q = arg;

	if (m->nlmsg_type != RTM_NEWQDISC || !head->tcm_handle || q->interface)
		return;
	q->interface = head->tcm_ifindex;
	snprintf(q->kind, sizeof(q->kind), "%s",
		 rtnl_text(rtnl_find(m, sizeof(*head), TCA_KIND)) ?: "?");
}

static int check_queueing(struct dnet *n, struct err *e)
{
	struct tcmsg head = { .tcm_family = AF_UNSPEC };
	struct queueing q = { .interface = 0 };
	struct rtnl_message question;
	const struct dnet_link *l;
	int res;

	rtnl_begin(&question, RTM_GETQDISC, 0, &head, sizeof(head));
	res = rtnl_list(n->fd, &question, hear, NULL, &q);
	if (res < 0 && res != -EOPNOTSUPP)
		return err_res(e, res, "list its queueing disciplines");
	if (!q.interface)
		return 0;
	l = dnet_link_of(n, (uint32_t)q.interface);
	err_code(e, ENOTSUP,
		 "the interface '%s' has a queueing discipline ('%s'), which is not supported yet",
		 l ? l->name : "?", q.kind);
	return err_hint(e, "remove it by 'tc qdisc del', or leave the network to others with "
			   "--empty-ns net");
}

static int check_iptables(struct err *e)
{
	static const char *const lists[] = { "/proc/thread-self/net/ip_tables_names",
					     "/proc/thread-self/net/ip6_tables_names",
					     "/proc/thread-self/net/arp_tables_names" };

	for (size_t i = 0; i < ARRAY_SIZE(lists); i++) {
		own_mem char *text = NULL;
		struct err none = { 0 };

		if (io_slurp(AT_FDCWD, lists[i], &text, NULL, &none) < 0 || !text[0])
			continue;
		err_code(e, ENOTSUP,
			 "it has rules of iptables (table '%.*s'), which are not supported",
			 (int)strcspn(text, "\n"), text);
		return err_hint(e, "use nftables, or leave the network to others with "
				   "--empty-ns net");
	}
	return 0;
}

int dnet_check_filter(struct dnet *n, struct err *e)
{
	own_mem char *rules = NULL;

	if (check_queueing(n, e) < 0 || check_iptables(e) < 0)
		return e->code;
	return nft_rules_read(&rules, e);
}

int dnet_save_filter(struct dnet *n, struct err *e)
{
	own_mem char *rules = NULL;
	own_image img = {};

	if (nft_rules_read(&rules, e) < 0 ||
	    image_create(&img, n->d->images, IMG_NFTABLES, n->id, e) < 0 ||
	    image_write_extra(&img, rules, strlen(rules), e) < 0)
		return e->code;
	return image_close(&img, e);
}
