/* Questions by netlink, for the files in lib/ that know libnl. */
#ifndef STASIS_LIB_NETLINK_ASK_H
#define STASIS_LIB_NETLINK_ASK_H

#include <netlink/msg.h>
#include <netlink/netlink.h>
#include <stddef.h>

static inline void netlink_free_message(struct nl_msg **message)
{
	nlmsg_free(*message);
}

static inline void netlink_free_socket(struct nl_sock **socket)
{
	nl_socket_free(*socket);
}

#define own_nl_msg __attribute__((cleanup(netlink_free_message))) struct nl_msg
#define own_nl_sock __attribute__((cleanup(netlink_free_socket))) struct nl_sock

typedef int (*netlink_answer_fn)(struct nl_msg *message, void *arg);

/* A question that starts with a struct; NULL: no memory. */
struct nl_msg *netlink_question(int type, int flags, const void *head, size_t size);
/* Sends it and hears all answers; NULL is refused. 0, or a negative error of libnl or, at the end of a list, the kernel. */
int netlink_ask(int protocol, struct nl_msg *question, netlink_answer_fn answer, void *arg);

#endif
