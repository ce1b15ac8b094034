/* Netlink sockets: numbers, groups beyond the first word, options, destinations; and that they still work. */
#include "test/lib/fds.h"

#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>

enum { GROUP = 5, FAR_GROUP = RTNLGRP_STATS, WORDS = 64, MARK = 0x51 };

static const int options[] = {
	NETLINK_PKTINFO, NETLINK_BROADCAST_ERROR, NETLINK_NO_ENOBUFS,
	NETLINK_CAP_ACK, NETLINK_EXT_ACK,	  NETLINK_GET_STRICT_CHK,
};

enum { OPTIONS = sizeof(options) / sizeof(options[0]), SOCKETS_MAX = 16 };

/* What can be asked of a socket. */
struct state {
	int fd, type, protocol, size, mark;
	struct sockaddr_nl at, to;
	int option[OPTIONS];
	uint32_t groups[WORDS];
};

static struct state before[SOCKETS_MAX];
static size_t count;

static void ask(int fd, struct state *ret)
{
	socklen_t size = sizeof(int), at = sizeof(ret->at), to = sizeof(ret->to);
	socklen_t words = sizeof(ret->groups);

	memset(ret, 0, sizeof(*ret));
	ret->fd = fd;
	SYS(getsockopt(fd, SOL_SOCKET, SO_TYPE, &ret->type, &size));
	SYS(getsockopt(fd, SOL_SOCKET, SO_PROTOCOL, &ret->protocol, &size));
	SYS(getsockopt(fd, SOL_SOCKET, SO_RCVBUF, &ret->size, &size));
	SYS(getsockopt(fd, SOL_SOCKET, SO_MARK, &ret->mark, &size));
	SYS(getsockname(fd, (struct sockaddr *)&ret->at, &at));
	SYS(getpeername(fd, (struct sockaddr *)&ret->to, &to));
	for (int i = 0; i < OPTIONS; i++)
		SYS(getsockopt(fd, SOL_NETLINK, options[i], &ret->option[i], &size));
	SYS(getsockopt(fd, SOL_NETLINK, NETLINK_LIST_MEMBERSHIPS, ret->groups, &words));
}

static int make(int type, int protocol)
{
	return SYS(socket(AF_NETLINK, type, protocol));
}

static void set(int fd, int level, int option, int value)
{
	SYS(setsockopt(fd, level, option, &value, sizeof(value)));
}

static int bound(int protocol, uint32_t portid, uint32_t groups)
{
	struct sockaddr_nl at = { .nl_family = AF_NETLINK, .nl_pid = portid, .nl_groups = groups };
	int fd = make(SOCK_RAW, protocol);

	SYS(bind(fd, (struct sockaddr *)&at, sizeof(at)));
	return fd;
}

static void aim(int fd, uint32_t portid, uint32_t groups)
{
	struct sockaddr_nl to = { .nl_family = AF_NETLINK, .nl_pid = portid, .nl_groups = groups };

	SYS(connect(fd, (struct sockaddr *)&to, sizeof(to)));
}

/* With every option, far groups, and the flags of descriptions. */
static int routes(void)
{
	int fd = bound(NETLINK_ROUTE, 0, 1U << (RTNLGRP_NOTIFY - 1) | 1U << (RTNLGRP_TC - 1));

	for (int i = 0; i < OPTIONS; i++)
		set(fd, SOL_NETLINK, options[i], 1);
	set(fd, SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, FAR_GROUP);
	set(fd, SOL_SOCKET, SO_RCVBUF, 100000);
	set(fd, SOL_SOCKET, SO_MARK, MARK);
	SYS(fcntl(fd, F_SETFL, O_NONBLOCK));
	SYS(fcntl(fd, F_SETFD, FD_CLOEXEC));
	return fd;
}

static void lists_links(int fd)
{
	struct {
		struct nlmsghdr head;
		struct ifinfomsg about;
	} q = { { sizeof(q), RTM_GETLINK, NLM_F_REQUEST | NLM_F_DUMP, 77, 0 }, { 0 } };
	static char answer[1 << 16] __attribute__((aligned(8)));
	const struct nlmsghdr *m = (const void *)answer;

	SAME(send(fd, &q, sizeof(q), 0), sizeof(q));
	CHECK(SYS(recv(fd, answer, sizeof(answer), 0)) > (ssize_t)sizeof(*m));
	SAME(m->nlmsg_type, RTM_NEWLINK);
	SAME(m->nlmsg_seq, 77);
}

static void comes(int fd, const char *text, uint32_t from)
{
	struct sockaddr_nl who = { 0 };
	socklen_t size = sizeof(who);
	char got[64] = "";

	SAME(SYS(recvfrom(fd, got, sizeof(got), 0, (struct sockaddr *)&who, &size)), strlen(text));
	CHECK(memcmp(got, text, strlen(text)) == 0, "'%s' came, not '%s'", got, text);
	SAME(who.nl_pid, from);
}

static void says(int fd, const char *text)
{
	SAME(send(fd, text, strlen(text), 0), strlen(text));
}

static void note(int fd)
{
	ask(fd, &before[count++]);
}

static void look(void)
{
	for (size_t i = 0; i < count; i++) {
		struct state now;

		ask(before[i].fd, &now);
		SAME(now.at.nl_pid, before[i].at.nl_pid);
		SAME(now.at.nl_groups, before[i].at.nl_groups);
		SAME(now.to.nl_pid, before[i].to.nl_pid);
		SAME(now.size, before[i].size);
		CHECK(memcmp(&now, &before[i], sizeof(now)) == 0, "fd %d is not what it was",
		      now.fd);
	}
}

static struct fds fds;

int main(void)
{
	uint32_t number = 0x40000000U + getpid();
	int route = routes(), server = bound(NETLINK_USERSOCK, number, 1U << (GROUP - 1));
	int client = make(SOCK_DGRAM, NETLINK_USERSOCK), shared = make(SOCK_RAW, NETLINK_USERSOCK);
	int caster = bound(NETLINK_USERSOCK, number + 0x10000000U, 0);
	int unbound = make(SOCK_RAW, NETLINK_GENERIC);
	int listener = make(SOCK_RAW, NETLINK_ROUTE); /* groups, but no number */
	int kernel = bound(NETLINK_ROUTE, 0, 0);
	int events = bound(NETLINK_KOBJECT_UEVENT, 0, 0), other = SYS(dup(server));
	pid_t pid;

	aim(client, number, 0);
	aim(shared, number, 0);
	aim(caster, 0, 1U << (GROUP - 1));
	aim(kernel, 0, 0);
	set(listener, SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, FAR_GROUP);
	for (int fd = route; fd <= other; fd++)
		note(fd);
	pid = victim_fork();
	if (pid == 0) {
		victim_set();
		victim_wait();
		says(shared, "from the child");
		_exit(0);
	}
	fds_note(&fds);
	victim_ready();
	fds_check(&fds);
	look();
	comes(server, "from the child", before[shared - route].at.nl_pid);
	victim_reap(pid);
	says(client, "hello");
	comes(other, "hello", before[client - route].at.nl_pid);
	send(caster, "to all", 6, 0); /* the kernel, which it goes to as well, refuses it */
	comes(server, "to all", before[caster - route].at.nl_pid);
	SAME(sendto(caster, "x", 1, 0, (struct sockaddr *)&before[client - route].at,
		    sizeof(struct sockaddr_nl)),
	     -1); /* it hears its peer only */
	SAME(errno, ECONNREFUSED);
	lists_links(route);
	lists_links(kernel);
	(void)unbound, (void)events;
	victim_ok();
}
