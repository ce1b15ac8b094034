/* Netlink sockets: with the number, groups and destination that they had. A number that somebody has by now is an error. */
#include "images/fd/netlinksk.pb-c.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/netlink.h>
#include <strings.h>
#include <sys/socket.h>

#include "restore/files.h"
#include "restore/sk_more.h"
#include "restore/sk_opts.h"

enum { CONNECTED = 1 };

static int bind_to(int fd, uint32_t portid, struct err *e)
{
	struct sockaddr_nl at = { .nl_family = AF_NETLINK, .nl_pid = portid };

	if (!portid || bind(fd, (struct sockaddr *)&at, sizeof(at)) == 0)
		return 0;
	err_sys(e, "give it its number, %u", portid);
	return e->code == -EADDRINUSE ?
		       err_hint(e, "another socket has it by now; end the program that it is of") :
		       e->code;
}

static int join_groups(int fd, const NetlinkSkEntry *sk, struct err *e)
{
	for (size_t word = 0; word < sk->n_groups; word++)
		for (uint32_t left = sk->groups[word]; left; left &= left - 1) {
			int group = (int)word * 32 + ffs((int)left);

			if (setsockopt(fd, SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, &group,
				       sizeof(group)) < 0)
				return err_sys(e, "join the group %d of netlink protocol %u", group,
					       sk->protocol);
		}
	return 0;
}

/* Who has no number is given one by connect(2), so the two go together. */
static int connect_to(int fd, const NetlinkSkEntry *sk, struct err *e)
{
	struct sockaddr_nl to = { .nl_family = AF_NETLINK, .nl_pid = sk->dst_portid };

	if (sk->state != CONNECTED)
		return 0;
	if (sk->dst_group > 32)
		return err_say(e, "'files.img' has the group %u as its destination", sk->dst_group);
	to.nl_groups = sk->dst_group ? 1U << (sk->dst_group - 1) : 0;
	return connect(fd, (struct sockaddr *)&to, sizeof(to)) < 0 ?
		       err_sys(e, "connect it to %u, group %u", sk->dst_portid, sk->dst_group) :
		       0;
}

static int netlinksk_make(struct restore *r, const FileEntry *f, int *ret_fd, struct err *e)
{
	const NetlinkSkEntry *sk = f->nlsk;
	int type = sk_more_value(r, sk->id, SOL_SOCKET, SO_TYPE, SOCK_RAW);
	int flags = sk->flags & (O_APPEND | O_NONBLOCK);
	own_fd fd = socket(AF_NETLINK, type | SOCK_CLOEXEC, (int)sk->protocol);

	if (fd < 0)
		return err_sys(e, "make a netlink socket of protocol %u", sk->protocol);
	if (!r->opt->dry_run && (bind_to(fd, sk->portid, e) < 0 || connect_to(fd, sk, e) < 0))
		return e->code;
	/* A filter comes before the groups, whose messages it may keep away. */
	if (sk_opts_set(fd, sk->opts, e) < 0 || sk_more_set(r, sk->id, fd, e) < 0 ||
	    join_groups(fd, sk, e) < 0)
		return e->code;
	if (flags && fcntl(fd, F_SETFL, flags) < 0)
		return err_sys(e, "set its flags, %#x", flags);
	*ret_fd = take_fd(&fd);
	return 0;
}

const struct fd_restore_kind netlinksk_fd_restore_kind = {
	.name = "fd/netlinksk",
	.type = FD_TYPES__NETLINKSK,
	.make = netlinksk_make,
};
