/*
 * Netlink sockets: their number (portid), groups, destination and options, by a copy of the descriptor; whether they are
 * connected, or in the middle of a list, sock_diag tells.
 *
 * Messages that wait cannot be carried: only the first can be seen without being taken, and nobody can send one
 * in the kernel's name. What the kernel notes by the number of a socket elsewhere (queues and logs of netfilter, the audit
 * daemon, listeners for events of processes) would be gone as well, so such sockets are refused.
 */
#include "images/fd/netlinksk.pb-c.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/netlink.h>
#include <linux/netlink_diag.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "dump/files.h"
#include "dump/ns.h"
#include "dump/sk_more.h"
#include "dump/sk_opts.h"
#include "lib/io.h"
#include "lib/sock_diag.h"

enum { GROUP_WORDS_MAX = 1024, CONNECTOR_PROCESSES = 1, CONNECTED = 1 };

static const struct sk_more options[] = {
	{ SOL_NETLINK, NETLINK_PKTINFO, 0 },	{ SOL_NETLINK, NETLINK_BROADCAST_ERROR, 0 },
	{ SOL_NETLINK, NETLINK_NO_ENOBUFS, 0 }, { SOL_NETLINK, NETLINK_CAP_ACK, 0 },
	{ SOL_NETLINK, NETLINK_EXT_ACK, 0 },	{ SOL_NETLINK, NETLINK_GET_STRICT_CHK, 0 },
	{ SOL_SOCKET, SO_TYPE, SOCK_RAW },
};

static bool netlinksk_match(const struct file *f)
{
	socklen_t size = sizeof(int);
	int family = 0;

	return S_ISSOCK(f->st.st_mode) && strncmp(f->link, "socket:[", 8) == 0 &&
	       getsockopt(f->fd, SOL_SOCKET, SO_DOMAIN, &family, &size) == 0 &&
	       family == AF_NETLINK;
}

/* What sock_diag has about it. One that has neither a number nor groups is in no list. */
struct found {
	uint32_t ino, flags;
	struct netlink_diag_msg message;
};

static void look(const void *message, size_t size, void *arg)
{
	const struct netlink_diag_msg *m = message;
	struct found *ret = arg;
	const uint32_t *flags;

	if (size < sizeof(*m) || m->ndiag_ino != ret->ino)
		return;
	ret->message = *m;
	flags = sock_diag_data(sock_diag_attribute(message, size, sizeof(*m), NETLINK_DIAG_FLAGS),
			       sizeof(*flags));
	ret->flags |= flags ? *flags : 0;
}

static int find(const struct file *f, struct found *ret, struct err *e)
{
	struct netlink_diag_req request = { .sdiag_family = AF_NETLINK,
					    .sdiag_protocol = NDIAG_PROTO_ALL,
					    .ndiag_show = NDIAG_SHOW_FLAGS };
	int r;

	*ret = (struct found){ .ino = (uint32_t)f->st.st_ino };
	r = sock_diag_list(&request, sizeof(request), look, ret);
	return r < 0 ? err_res(e, r, "ask for the list of netlink sockets (sock_diag)") : 0;
}

static int check_queue(const struct file *f, const struct found *found, struct err *e)
{
	struct pollfd look_in = { .fd = f->fd, .events = POLLIN };
	const char *what;

	if (poll(&look_in, 1, 0) < 0)
		return err_sys(e, "poll");
	if (look_in.revents & POLLERR)
		what = "it has lost messages, which is still to be reported to it";
	else if (look_in.revents & POLLIN)
		what = "messages wait in it that were not read yet";
	else if (found->flags & NDIAG_FLAG_CB_RUNNING)
		what = "it is in the middle of a list from the kernel";
	else
		return 0;
	err_code(e, EBUSY, "%s, which is not supported", what);
	return err_hint(e, "try again when the program has read it");
}

/* A line that has the number in a given column is of somebody who is told by the kernel, by that number. */
static bool is_named(const char *path, int column, uint32_t portid)
{
	own_mem char *text = NULL;
	struct err e = { 0 };

	if (io_slurp(AT_FDCWD, path, &text, NULL, &e) < 0)
		return false;
	for (char *line = text; line && *line; line = strchr(line, '\n')) {
		long got[2] = { -1, -1 };

		line += *line == '\n';
		if (sscanf(line, "%ld %ld", &got[0], &got[1]) == 2 &&
		    (uint32_t)got[column] == portid)
			return true;
	}
	return false;
}

static bool has_group(const NetlinkSkEntry *sk, uint32_t group)
{
	uint32_t word = (group - 1) / 32;

	return word < sk->n_groups && sk->groups[word] & 1U << (group - 1) % 32;
}

/* State of the kernel that is tied to the socket, and that it does not tell in full. */
static int check_ties(const NetlinkSkEntry *sk, struct err *e)
{
	const char *what = NULL;

	if (sk->protocol == NETLINK_NETFILTER && sk->portid &&
	    is_named("/proc/net/netfilter/nfnetlink_queue", 1, sk->portid))
		what = "it has a queue of netfilter";
	else if (sk->protocol == NETLINK_NETFILTER && sk->portid &&
		 is_named("/proc/net/netfilter/nfnetlink_log", 1, sk->portid))
		what = "it has a log of netfilter";
	else if (sk->protocol == NETLINK_CONNECTOR && has_group(sk, CONNECTOR_PROCESSES))
		what = "it may be told of processes (proc connector)";
	if (!what)
		return 0;
	err_code(e, ENOTSUP, "%s, which only the kernel knows", what);
	return err_hint(e, "let the program close it before the dump");
}

/* The kernel says how many bytes there are. */
static int read_groups(const struct file *f, NetlinkSkEntry *sk, struct err *e)
{
	uint32_t words[GROUP_WORDS_MAX] = { 0 };
	socklen_t size = sizeof(words);
	size_t count;

	if (getsockopt(f->fd, SOL_NETLINK, NETLINK_LIST_MEMBERSHIPS, words, &size) < 0)
		return err_sys(e, "ask for its groups");
	if (size > sizeof(words))
		return err_code(e, ENOTSUP, "it has %u groups, which is more than are supported",
				size * 8);
	count = size / sizeof(*words);
	while (count && !words[count - 1])
		count--;
	sk->n_groups = count;
	sk->groups = pool_copy(&f->dump->pool, words, count * sizeof(*words) + 1);
	return 0;
}

static int read_address(const struct file *f, NetlinkSkEntry *sk, struct err *e)
{
	struct sockaddr_nl at = { 0 };
	socklen_t size = sizeof(at);
	int protocol;

	if (getsockname(f->fd, (struct sockaddr *)&at, &size) < 0)
		return err_sys(e, "ask for its address");
	if (sk_opts_number(f->fd, SO_PROTOCOL, &protocol, e) < 0)
		return e->code;
	sk->portid = at.nl_pid;
	sk->protocol = protocol;
	return read_groups(f, sk, e);
}

static int netlinksk_dump(struct file *f, FileEntry *entry, struct err *e)
{
	NetlinkSkEntry *sk = pool_new(&f->dump->pool, NetlinkSkEntry);
	struct found found;

	netlink_sk_entry__init(sk);
	sk->id = f->id;
	sk->ino = (uint32_t)f->st.st_ino;
	sk->flags = f->flags;
	sk->fown = f->fown;
	sk->has_ns_id = ns_of_sockets(f->dump, &sk->ns_id);
	entry->nlsk = sk;
	if (sk_more_check_ns(f, e) < 0 || find(f, &found, e) < 0 || read_address(f, sk, e) < 0 ||
	    check_queue(f, &found, e) < 0 || check_ties(sk, e) < 0)
		return e->code;
	/* One that was never connected is in state 7, as new sockets of any family are. */
	sk->state = found.message.ndiag_state == CONNECTED;
	sk->dst_portid = found.message.ndiag_dst_portid;
	sk->dst_group = found.message.ndiag_dst_group;
	sk_more_read(f, options, ARRAY_SIZE(options));
	sk_more_read(f, sk_more_any, sk_more_any_count);
	/* Older kernels tell this one by sock_diag only. */
	if (found.flags & NDIAG_FLAG_LISTEN_ALL_NSID)
		sk_more_add(f, SOL_NETLINK, NETLINK_LISTEN_ALL_NSID, 1);
	return sk_opts_read(f->dump, f->fd, &sk->opts, e);
}

const struct fd_kind netlinksk_fd_kind = {
	.name = "fd/netlinksk",
	.type = FD_TYPES__NETLINKSK,
	.match = netlinksk_match,
	.dump = netlinksk_dump,
};
