/*
 * A network namespace of its own, looked at before and after by the tools that others use.
 *
 *   net look SETUP              SETUP is a text for the shell, run inside; all that tools then show has to be the same
 *   net sockets [here]          sockets of all kinds that are bound to something in it; 'here': in the one it was started in
 */
#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/if_packet.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <sched.h>
#include <stddef.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>

#include "test/lib/victim.h"

#define PORT 7777

static const char show[] =
	"set -e; ip -d address show | sed 's/ link-netnsid [0-9]*//; s/@if[0-9]*/@outside/; s/[a-z_]*timer *[0-9.]*//g'; for v in -4 -6; do "
	"ip $v route show table all | grep -v 'table local' || true; ip $v route show table local | sort; done; "
	"ip rule; ip -6 rule; ip neigh show nud permanent; ip neigh show proxy; nft -s list ruleset; "
	"cd /proc/sys/net; grep -rs '' ipv4/conf ipv6/conf | grep -v stable_secret: | sort; "
	"grep '' unix/max_dgram_qlen ipv4/ping_group_range";

static char *run(const char *text)
{
	static char buf[1 << 22];
	size_t n = 0;
	FILE *in = popen(text, "r");

	CHECK(in != NULL);
	for (size_t got; (got = fread(buf + n, 1, sizeof(buf) - 1 - n, in)) > 0;)
		n += got;
	buf[n] = 0;
	CHECK(n < sizeof(buf) - 1);
	CHECK(pclose(in) == 0, "'%s'", text);
	return strdup(buf);
}

static void leave(void)
{
	if (unshare(CLONE_NEWNET) < 0)
		victim_skip("no network namespace can be made");
}

/* The first line that differs; NULL: none. */
static const char *different(const char *was, const char *is)
{
	static char said[1024];

	while (*was || *is) {
		size_t a = strcspn(was, "\n"), b = strcspn(is, "\n");

		if (a != b || memcmp(was, is, a) != 0) {
			snprintf(said, sizeof(said), "it was '%.*s', it is '%.*s'", (int)a, was,
				 (int)b, is);
			return said;
		}
		was += a + (was[a] != 0);
		is += b + (is[b] != 0);
	}
	return NULL;
}

/* Whether a wire is plugged in the kernel notices within a second, and then it looks for others with an address of IPv6. */
static void settle(void)
{
	victim_sleep_ms(1100);
	for (int i = 0; i < 50 && strstr(run("ip -6 -o address show up"), " tentative"); i++)
		victim_sleep_ms(100);
}

static void look(const char *setup)
{
	const char *said = "";
	char *before;

	leave();
	free(run(setup));
	settle();
	before = run(show);
	victim_ready();
	for (int i = 0; i < 40 && (said = different(before, run(show))); i++)
		victim_sleep_ms(100);
	CHECK(!said, "%s", said);
}

/* --- sockets -------------------------------------------------------------------------------------- */

static int tcp_listen(void)
{
	struct sockaddr_in at = { .sin_family = AF_INET,
				  .sin_port = htons(PORT),
				  .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int fd = SYS(socket(AF_INET, SOCK_STREAM, 0));

	SYS(bind(fd, (struct sockaddr *)&at, sizeof(at)));
	SYS(listen(fd, 5));
	return fd;
}

static void tcp_call(int listening)
{
	struct sockaddr_in at = { .sin_family = AF_INET,
				  .sin_port = htons(PORT),
				  .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int fd = SYS(socket(AF_INET, SOCK_STREAM, 0));
	char c;

	SYS(connect(fd, (struct sockaddr *)&at, sizeof(at)));
	SYS(write(fd, "x", 1));
	int got = SYS(accept(listening, NULL, NULL));
	SAME(SYS(read(got, &c, 1)), 1);
	close(fd);
	close(got);
}

static socklen_t unix_name(struct sockaddr_un *ret, const char *name)
{
	*ret = (struct sockaddr_un){ .sun_family = AF_UNIX };
	memcpy(ret->sun_path + 1, name, strlen(name));
	return (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + strlen(name));
}

static int unix_listen(const char *name)
{
	struct sockaddr_un at;
	socklen_t size = unix_name(&at, name);
	int fd = SYS(socket(AF_UNIX, SOCK_STREAM, 0));

	SYS(bind(fd, (struct sockaddr *)&at, size));
	SYS(listen(fd, 5));
	return fd;
}

static void unix_call(const char *name)
{
	struct sockaddr_un at;
	socklen_t size = unix_name(&at, name);
	int fd = SYS(socket(AF_UNIX, SOCK_STREAM, 0));

	SYS(connect(fd, (struct sockaddr *)&at, size));
	close(fd);
}

static int udp_bind(void)
{
	struct sockaddr_in at = { .sin_family = AF_INET,
				  .sin_port = htons(PORT),
				  .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int fd = SYS(socket(AF_INET, SOCK_DGRAM, 0));

	SYS(bind(fd, (struct sockaddr *)&at, sizeof(at)));
	SYS(sendto(fd, "waits", 5, 0, (struct sockaddr *)&at, sizeof(at)));
	return fd;
}

static int netlink_bind(void)
{
	struct sockaddr_nl at = { .nl_family = AF_NETLINK,
				  .nl_pid = 4711,
				  .nl_groups = RTMGRP_LINK };
	int fd = SYS(socket(AF_NETLINK, SOCK_RAW, NETLINK_ROUTE));

	SYS(bind(fd, (struct sockaddr *)&at, sizeof(at)));
	return fd;
}

static int packet_bind(void)
{
	struct sockaddr_ll at = { .sll_family = AF_PACKET, .sll_protocol = htons(0x88b5) };
	int fd = SYS(socket(AF_PACKET, SOCK_RAW, htons(0x88b5)));

	at.sll_ifindex = (int)if_nametoindex("lo");
	SYS(bind(fd, (struct sockaddr *)&at, sizeof(at)));
	return fd;
}

/* A connection within the namespace, with bytes on their way in both directions. */
static void connected(int ret[2], int listening)
{
	struct sockaddr_in at = { .sin_family = AF_INET,
				  .sin_port = htons(PORT),
				  .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };

	ret[0] = SYS(socket(AF_INET, SOCK_STREAM, 0));
	SYS(connect(ret[0], (struct sockaddr *)&at, sizeof(at)));
	ret[1] = SYS(accept(listening, NULL, NULL));
	SYS(write(ret[0], "there", 5));
	SYS(write(ret[1], "back", 4));
}

static void check_link_event(int fd)
{
	char buf[16384];

	CHECK(system("ip link set lo mtu 60000") == 0);
	CHECK(SYS(recv(fd, buf, sizeof(buf), MSG_DONTWAIT)) > (ssize_t)sizeof(struct nlmsghdr));
}

static void sockets(bool own)
{
	int tcp, listening, udp, events, packets, ns, ends[2];
	struct stat is, lives;
	char buf[16];

	if (own)
		leave();
	CHECK(system("ip link set lo up") == 0);
	tcp = tcp_listen();
	listening = unix_listen("a name of its own");
	udp = udp_bind();
	events = netlink_bind();
	packets = packet_bind();
	ns = SYS(open("/proc/self/ns/net", O_RDONLY));
	connected(ends, tcp);
	victim_ready();
	tcp_call(tcp);
	unix_call("a name of its own");
	SAME(SYS(recv(udp, buf, sizeof(buf), MSG_DONTWAIT)), 5);
	check_link_event(events);
	SAME(SYS(read(ends[1], buf, sizeof(buf))), 5);
	SAME(SYS(read(ends[0], buf, sizeof(buf))), 4);
	SYS(write(ends[0], "more", 4));
	SAME(SYS(read(ends[1], buf, sizeof(buf))), 4);
	SYS(fstat(ns, &is));
	SYS(stat("/proc/self/ns/net", &lives));
	SAME(is.st_ino, lives.st_ino);
	close(listening);
	close(packets);
}

int main(int argc, char **argv)
{
	CHECK(argc > 1);
	if (strcmp(argv[1], "look") == 0)
		look(argv[2]);
	else
		sockets(!argv[2]);
	victim_ok();
}
