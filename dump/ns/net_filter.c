/*
 * What filters packets: the rules of nftables, as `nft list ruleset` has them. Rules of the older iptables are refused, and so is
 * what shapes the flow of packets (queueing disciplines that somebody has chosen), or hides what is in them (IPsec).
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/xfrm.h>
#include <stdio.h>
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

static void hear_any(const struct nlmsghdr *m, void *arg)
{
	(void)m;
	*(bool *)arg = true;
}

/* Their keys are told, but not where they are in their sequences at that moment. */
static int check_ipsec(struct err *e)
{
	static const struct {
		int type;
		size_t head;
	} lists[] = { { XFRM_MSG_GETSA, sizeof(struct xfrm_usersa_id) },
		      { XFRM_MSG_GETPOLICY, sizeof(struct xfrm_userpolicy_id) } };
	static const char zeros[sizeof(struct xfrm_userpolicy_id)];
	own_fd fd = rtnl_open_other(NETLINK_XFRM);
	struct rtnl_message question;
	bool any = false;

	for (size_t i = 0; fd >= 0 && i < ARRAY_SIZE(lists); i++) {
		int res;

		rtnl_begin(&question, lists[i].type, 0, zeros, lists[i].head);
		res = rtnl_list(fd, &question, hear_any, NULL, &any);
		if (res < 0)
			return err_res(e, res, "list its states and policies of IPsec");
	}
	if (!any)
		return 0;
	err_code(e, ENOTSUP, "it has states or policies of IPsec, which are not supported");
	return err_hint(e, "remove them by 'ip xfrm', or leave the network to others with "
			   "--empty-ns net");
}

int dnet_check_filter(struct dnet *n, struct err *e)
{
	own_mem char *rules = NULL;

	if (check_queueing(n, e) < 0 || check_iptables(e) < 0 || check_ipsec(e) < 0)
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
