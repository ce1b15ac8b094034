/* Netlink sockets that are refused, as number 3: with something unread, with losses to be reported, tied to the kernel. */
#include "test/lib/fds.h"

#include <linux/netlink.h>
#include <sys/socket.h>

enum { GROUP = 7 };

static int made(int protocol, uint32_t groups)
{
	struct sockaddr_nl at = { .nl_family = AF_NETLINK, .nl_groups = groups };
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_NONBLOCK, protocol);

	if (fd < 0 || bind(fd, (struct sockaddr *)&at, sizeof(at)) < 0)
		victim_skip(strerror(errno));
	return fd;
}

static void unread(void)
{
	int fd = made(NETLINK_USERSOCK, 0);
	struct sockaddr_nl at;
	socklen_t size = sizeof(at);

	SYS(getsockname(fd, (struct sockaddr *)&at, &size));
	SYS(sendto(fd, "unread", 6, 0, (struct sockaddr *)&at, size));
}

static void unread_check(void)
{
	char got[8] = "";

	SAME(SYS(recv(3, got, sizeof(got), 0)), 6);
	CHECK(memcmp(got, "unread", 6) == 0);
}

static void lost(void)
{
	struct sockaddr_nl to = { .nl_family = AF_NETLINK, .nl_groups = 1U << (GROUP - 1) };
	int fd = made(NETLINK_USERSOCK, 1U << (GROUP - 1));
	int from = made(NETLINK_USERSOCK, 0), small = 2048;
	static char text[1024];

	SYS(setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof(small)));
	for (int i = 0; i < 20; i++)
		sendto(from, text, sizeof(text), 0, (struct sockaddr *)&to, sizeof(to));
}

static void lost_check(void)
{
	char got[8];

	SAME(recv(3, got, sizeof(got), 0), -1);
	SAME(errno, ENOBUFS);
}

static void events(void)
{
	made(NETLINK_CONNECTOR, 1);
}

static void nothing(void)
{
}

static const struct {
	const char *name;
	void (*make)(void), (*check)(void);
} all[] = {
	{ "unread", unread, unread_check },
	{ "lost", lost, lost_check },
	{ "events", events, nothing },
};

/* Has the number of another program's socket. */
static void take(uint32_t number)
{
	struct sockaddr_nl at = { .nl_family = AF_NETLINK, .nl_pid = number };
	int fd = SYS(socket(AF_NETLINK, SOCK_RAW, NETLINK_USERSOCK));

	SYS(bind(fd, (struct sockaddr *)&at, sizeof(at)));
	victim_ready();
}

int main(int argc, char **argv)
{
	if (argc > 2)
		take(strtoul(argv[2], NULL, 10));
	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]) && argc > 1; i++) {
		if (strcmp(all[i].name, argv[1]) != 0)
			continue;
		all[i].make();
		victim_ready();
		all[i].check();
	}
	victim_ok();
}
