/* Lists of sockets; see sock_diag.h. One question, answered in messages with many sockets each. */
#include "lib/sock_diag.h"

#include <errno.h>
#include <linux/sock_diag.h>

#include "lib/netlink_ask.h"

struct listing {
	sock_diag_fn each;
	void *arg;
};

static int tell(struct nl_msg *message, void *arg)
{
	const struct listing *l = arg;
	const struct nlmsghdr *head = nlmsg_hdr(message);

	l->each(nlmsg_data(head), (size_t)nlmsg_datalen(head), l->arg);
	return NL_OK;
}

int sock_diag_list(const void *request, size_t size, sock_diag_fn each, void *arg)
{
	own_nl_msg *question = netlink_question(SOCK_DIAG_BY_FAMILY, NLM_F_DUMP, request, size);
	struct listing l = { each, arg };
	int r = netlink_ask(NETLINK_SOCK_DIAG, question, tell, &l);

	if (r == -NLE_OBJ_NOTFOUND)
		return -ENOENT;
	return r < 0 ? (r == -NLE_NOMEM ? -ENOMEM : -EIO) : 0;
}

const struct nlattr *sock_diag_attribute(const void *message, size_t size, size_t head, int type)
{
	size_t at = NLMSG_ALIGN(head);

	while (at + sizeof(struct nlattr) <= size) {
		const struct nlattr *a = (const void *)((const char *)message + at);

		if (a->nla_len < sizeof(*a) || at + a->nla_len > size)
			return NULL;
		if ((a->nla_type & NLA_TYPE_MASK) == type)
			return a;
		at += NLA_ALIGN(a->nla_len);
	}
	return NULL;
}

const void *sock_diag_data(const struct nlattr *attribute, size_t at_least)
{
	return attribute && attribute->nla_len >= NLA_HDRLEN + at_least ?
		       (const char *)attribute + NLA_HDRLEN :
		       NULL;
}
