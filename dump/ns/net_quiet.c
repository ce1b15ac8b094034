/*
 * The end of a network namespace. Its rules go before its interfaces do, so for a moment a packet from outside would find neither what blocks it nor
 * a socket, and be answered by a reset. So the interfaces are taken down before, if the tree was all that lived there.
 */
#include <dirent.h>
#include <fcntl.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>

#include "dump/network.h"
#include "dump/ns_net.h"
#include "lib/io.h"
#include "lib/log.h"
#include "lib/proc.h"
#include "lib/rtnl.h"

static bool is_mounted(ino_t ino)
{
	own_mem char *text = NULL;
	struct err ignored = { 0 };
	char name[48];

	snprintf(name, sizeof(name), " net:[%lu] ", (unsigned long)ino);
	return io_slurp(AT_FDCWD, "/proc/self/mountinfo", &text, NULL, &ignored) < 0 ||
	       strstr(text, name);
}

static bool has_others(ino_t ino)
{
	own_dir proc = opendir("/proc");
	struct dirent *entry;

	while (proc && (entry = readdir(proc))) {
		struct err gone = { 0 };
		own_fd fd = -1;

		if (entry->d_name[0] < '1' || entry->d_name[0] > '9')
			continue;
		if (proc_open(atoi(entry->d_name), &fd, &gone) == 0 &&
		    namespace_of(fd, "net") == ino)
			return true;
	}
	return !proc;
}

struct quieting {
	int indices[256]; /* more of them lead outside in no namespace that is met */
	size_t count;
};

static void hear(const struct nlmsghdr *m, void *arg)
{
	struct quieting *q = arg;
	const struct ifinfomsg *head = NLMSG_DATA(m);
	bool outside = rtnl_find(m, sizeof(*head), IFLA_LINK_NETNSID) ||
		       !rtnl_find(m, sizeof(*head), IFLA_LINKINFO);

	if (m->nlmsg_type == RTM_NEWLINK && head->ifi_flags & IFF_UP &&
	    !(head->ifi_flags & IFF_LOOPBACK) && outside && q->count < ARRAY_SIZE(q->indices))
		q->indices[q->count++] = head->ifi_index;
}

static int take_down(void *arg, struct err *e)
{
	struct ifinfomsg head = { .ifi_family = AF_UNSPEC, .ifi_change = IFF_UP };
	struct quieting q = { .count = 0 };
	struct rtnl_message m;
	own_fd fd = -1;
	int res;

	(void)arg;
	if (rtnl_open(&fd, e) < 0)
		return e->code;
	rtnl_begin(&m, RTM_GETLINK, 0, &head, sizeof(head));
	res = rtnl_list(fd, &m, hear, NULL, &q);
	for (size_t i = 0; i < q.count && res == 0; i++) {
		head.ifi_index = q.indices[i];
		rtnl_begin(&m, RTM_NEWLINK, 0, &head, sizeof(head));
		res = rtnl_ask(fd, &m, NULL);
	}
	return res < 0 ? err_res(e, res, "take down the interfaces that the tree had") : 0;
}

void ns_quiet_net(struct dump *d)
{
	struct err e = { 0 };

	if (!ns_is_own(d, NS_NET) || !network_is_blocked(d) || is_mounted(d->ns->ino[NS_NET]) ||
	    has_others(d->ns->ino[NS_NET]))
		return;
	if (ns_run(d, NS_NET, take_down, NULL, &e) < 0)
		log_debug("%s", e.text);
}
