/* What sock_diag tells of single sockets; see netlink.h. */
#include <errno.h>
#include <linux/sock_diag.h>
#include <linux/unix_diag.h>
#include <netlink/attr.h>
#include <stdlib.h>
#include <string.h>

#include "lib/io.h"
#include "lib/netlink.h"
#include "lib/netlink_ask.h"

struct unix_answer {
	struct netlink_unix *ret;
	bool found;
};

static void copy_waiting(struct nlattr *icons, struct netlink_unix *ret)
{
	ret->waiting = malloc(nla_len(icons) + 1);
	if (!ret->waiting)
		return;
	memcpy(ret->waiting, nla_data(icons), nla_len(icons));
	ret->waiting_count = nla_len(icons) / sizeof(uint32_t);
}

static int unix_state(struct nl_msg *message, void *arg)
{
	const struct unix_diag_msg *head = nlmsg_data(nlmsg_hdr(message));
	struct nlattr *at[UNIX_DIAG_MAX + 1] = { 0 };
	struct unix_answer *answer = arg;
	struct netlink_unix *ret = answer->ret;
	const struct unix_diag_rqlen *queue;
	const struct unix_diag_vfs *file;

	if (nlmsg_parse(nlmsg_hdr(message), sizeof(*head), at, UNIX_DIAG_MAX, NULL) < 0)
		return NL_STOP;
	answer->found = true;
	ret->type = head->udiag_type;
	ret->state = head->udiag_state;
	if (at[UNIX_DIAG_PEER])
		ret->peer = nla_get_u32(at[UNIX_DIAG_PEER]);
	ret->has_peer = at[UNIX_DIAG_PEER];
	if (at[UNIX_DIAG_SHUTDOWN])
		ret->shutdown = nla_get_u8(at[UNIX_DIAG_SHUTDOWN]);
	if (at[UNIX_DIAG_RQLEN]) {
		queue = nla_data(at[UNIX_DIAG_RQLEN]);
		ret->unread = queue->udiag_rqueue;
		ret->unsent = queue->udiag_wqueue;
	}
	if (at[UNIX_DIAG_VFS]) {
		file = nla_data(at[UNIX_DIAG_VFS]);
		ret->has_file = true;
		ret->file_ino = file->udiag_vfs_ino;
	}
	if (at[UNIX_DIAG_ICONS] && !ret->waiting)
		copy_waiting(at[UNIX_DIAG_ICONS], ret);
	return NL_OK;
}

/* Of the socket with this inode, or with NLM_F_DUMP of all. */
static struct nl_msg *ask_for_unix(uint32_t inode, int flags)
{
	struct unix_diag_req request = {
		.sdiag_family = AF_UNIX,
		.udiag_states = -1U,
		.udiag_ino = inode,
		.udiag_show = UDIAG_SHOW_PEER | UDIAG_SHOW_RQLEN | UDIAG_SHOW_VFS |
			      UDIAG_SHOW_ICONS,
		.udiag_cookie = { -1U, -1U },
	};

	return netlink_question(SOCK_DIAG_BY_FAMILY, flags, &request, sizeof(request));
}

int netlink_unix_state(uint32_t inode, struct netlink_unix *ret)
{
	own_nl_msg *message = ask_for_unix(inode, 0);
	struct unix_answer answer = { .ret = ret };

	*ret = (struct netlink_unix){ 0 };
	if (netlink_ask(NETLINK_SOCK_DIAG, message, unix_state, &answer) < 0 || !answer.found)
		return -ENOENT;
	return 0;
}

struct unix_list {
	struct netlink_unix *at;
	size_t count;
	int error;
};

static int add_unix(struct nl_msg *message, void *arg)
{
	const struct unix_diag_msg *head = nlmsg_data(nlmsg_hdr(message));
	struct unix_list *list = arg;
	struct err e = { 0 };
	struct unix_answer answer = { 0 };

	list->error = io_grow(&list->at, list->count, sizeof(*list->at), &e);
	if (list->error < 0)
		return NL_STOP;
	answer.ret = &list->at[list->count++];
	*answer.ret = (struct netlink_unix){ .inode = head->udiag_ino };
	return unix_state(message, &answer);
}

static int by_inode(const void *va, const void *vb)
{
	const struct netlink_unix *a = va, *b = vb;

	return a->inode < b->inode ? -1 : a->inode > b->inode;
}

int netlink_unix_all(struct netlink_unix **ret, size_t *ret_count)
{
	own_nl_msg *message = ask_for_unix(0, NLM_F_DUMP);
	struct unix_list list = { 0 };

	if (netlink_ask(NETLINK_SOCK_DIAG, message, add_unix, &list) < 0 || list.error < 0) {
		netlink_unix_free(list.at, list.count);
		return -ENOMEM;
	}
	if (list.count)
		qsort(list.at, list.count, sizeof(*list.at), by_inode);
	*ret = list.at;
	*ret_count = list.count;
	return 0;
}

const struct netlink_unix *netlink_unix_find(const struct netlink_unix *all, size_t count,
					     uint32_t inode)
{
	struct netlink_unix key = { .inode = inode };

	return count ? bsearch(&key, all, count, sizeof(key), by_inode) : NULL;
}

void netlink_unix_free(struct netlink_unix *all, size_t count)
{
	for (size_t i = 0; i < count; i++)
		free(all[i].waiting);
	free(all);
}
