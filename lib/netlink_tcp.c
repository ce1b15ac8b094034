/* What sock_diag tells of TCP sockets; see netlink.h. */
#include <errno.h>
#include <linux/inet_diag.h>
#include <linux/sock_diag.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <netlink/attr.h>
#include <string.h>

#include "lib/io.h"
#include "lib/netlink.h"
#include "lib/netlink_ask.h"
#include "lib/netlock.h"

/* --- who is called by a TCP socket ------------------------------------------------ */

struct called {
	uint32_t inode;
	bool found;
	struct inet_diag_sockid id;
};

static int tcp_called(struct nl_msg *message, void *arg)
{
	const struct inet_diag_msg *head = nlmsg_data(nlmsg_hdr(message));
	struct called *called = arg;

	if (head->idiag_inode == called->inode) {
		called->found = true;
		called->id = head->id;
	}
	return NL_OK;
}

int netlink_tcp_called(int family, uint32_t inode, uint16_t *ret_port, uint8_t ret_address[16])
{
	struct inet_diag_req_v2 request = {
		.sdiag_family = (uint8_t)family,
		.sdiag_protocol = IPPROTO_TCP,
		.idiag_states = 1 << TCP_SYN_SENT,
	};
	own_nl_msg *message =
		netlink_question(SOCK_DIAG_BY_FAMILY, NLM_F_DUMP, &request, sizeof(request));
	struct called called = { .inode = inode };

	if (netlink_ask(NETLINK_SOCK_DIAG, message, tcp_called, &called) < 0 || !called.found)
		return -ENOENT;
	*ret_port = ntohs(called.id.idiag_dport);
	memcpy(ret_address, called.id.idiag_dst, 16);
	return 0;
}

/* --- one connection, by its ends -------------------------------------------------- */

static int tcp_state(struct nl_msg *message, void *arg)
{
	const struct inet_diag_msg *head = nlmsg_data(nlmsg_hdr(message));
	struct netlink_tcp *ret = arg;

	ret->state = head->idiag_state;
	ret->unread = head->idiag_rqueue;
	return NL_OK;
}

int netlink_tcp_state(const struct netlock_pair *ends, struct netlink_tcp *ret)
{
	struct inet_diag_req_v2 request = {
		.sdiag_family = ends->six ? AF_INET6 : AF_INET,
		.sdiag_protocol = IPPROTO_TCP,
		.idiag_states = -1U,
		.id = { .idiag_sport = htons(ends->here_port),
			.idiag_dport = htons(ends->there_port),
			.idiag_cookie = { INET_DIAG_NOCOOKIE, INET_DIAG_NOCOOKIE } },
	};

	memcpy(request.id.idiag_src, ends->here, ends->six ? 16 : 4);
	memcpy(request.id.idiag_dst, ends->there, ends->six ? 16 : 4);
	*ret = (struct netlink_tcp){ 0 };
	own_nl_msg *message = netlink_question(SOCK_DIAG_BY_FAMILY, 0, &request, sizeof(request));
	if (netlink_ask(NETLINK_SOCK_DIAG, message, tcp_state, ret) < 0 ||
	    ret->state == TCP_LISTEN || ret->state == TCP_TIME_WAIT)
		return -ENOENT;
	return ret->state ? 0 : -ENOENT;
}

/* --- connections that nobody has yet ---------------------------------------------- */

struct waiting {
	uint16_t port;
	struct netlock_pair *at;
	size_t count;
	int error;
};

static bool is_mapped(const uint32_t *words)
{
	return !words[0] && !words[1] && words[2] == htonl(0xffff);
}

static int add_waiting(struct nl_msg *message, void *arg)
{
	const struct inet_diag_msg *head = nlmsg_data(nlmsg_hdr(message));
	struct waiting *all = arg;
	struct err e = { 0 };
	struct netlock_pair *p;
	size_t from = head->idiag_family == AF_INET6 && is_mapped(head->id.idiag_dst) ? 3 : 0;

	if (head->idiag_inode || ntohs(head->id.idiag_sport) != all->port)
		return NL_OK;
	all->error = io_grow(&all->at, all->count, sizeof(*all->at), &e);
	if (all->error < 0)
		return NL_STOP;
	p = &all->at[all->count++];
	*p = (struct netlock_pair){ .here_port = all->port,
				    .there_port = ntohs(head->id.idiag_dport) };
	p->six = head->idiag_family == AF_INET6 && !from;
	memcpy(p->here, head->id.idiag_src + from, p->six ? 16 : 4);
	memcpy(p->there, head->id.idiag_dst + from, p->six ? 16 : 4);
	return NL_OK;
}

int netlink_tcp_waiting(uint16_t port, struct netlock_pair **ret, size_t *ret_count)
{
	static const uint8_t families[] = { AF_INET, AF_INET6 };
	struct waiting all = { .port = port, .at = *ret, .count = *ret_count };

	for (size_t i = 0; i < 2 && all.error >= 0; i++) {
		struct inet_diag_req_v2 request = {
			.sdiag_family = families[i],
			.sdiag_protocol = IPPROTO_TCP,
			.idiag_states = 1 << TCP_ESTABLISHED | 1 << TCP_CLOSE_WAIT |
					1 << TCP_SYN_RECV,
			.id = { .idiag_sport = htons(port) },
		};
		own_nl_msg *message = netlink_question(SOCK_DIAG_BY_FAMILY, NLM_F_DUMP, &request,
						       sizeof(request));

		if (netlink_ask(NETLINK_SOCK_DIAG, message, add_waiting, &all) < 0)
			all.error = -EIO;
	}
	*ret = all.at;
	*ret_count = all.count;
	return all.error < 0 ? all.error : 0;
}
