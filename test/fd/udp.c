/*
 * UDP and UDP-Lite: bound, connected, in multicast groups, several with one port, options. To be run in a network namespace of its own,
 * with an interface 'wire'. The argument 'cork': a datagram is being put together in number 3.
 */
#include "test/lib/fds.h"
#include "test/lib/sk_options.h"

#include <arpa/inet.h>
#include <net/if.h>
#include <netinet/in.h>
#include <netinet/udp.h>
#include <poll.h>
#include <sys/socket.h>

enum { SENT_COVERAGE = 10 };

static struct fds before;
static int plain, server, client, six, group, some, group_six, twice[2], lite, optioned, half;

static int udp(int family)
{
	return SYS(socket(family, SOCK_DGRAM, 0));
}

static socklen_t make(struct sockaddr_storage *ret, const char *address, int port)
{
	struct sockaddr_in *in = (void *)ret;
	struct sockaddr_in6 *in6 = (void *)ret;

	memset(ret, 0, sizeof(*ret));
	in->sin_port = htons(port);
	if (inet_pton(AF_INET, address, &in->sin_addr) == 1) {
		ret->ss_family = AF_INET;
		return sizeof(*in);
	}
	SAME(inet_pton(AF_INET6, address, &in6->sin6_addr), 1);
	ret->ss_family = AF_INET6;
	return sizeof(*in6);
}

static void bind_to(int fd, const char *address, int port)
{
	struct sockaddr_storage at;
	socklen_t size = make(&at, address, port);

	SYS(bind(fd, (void *)&at, size));
}

static void connect_to(int fd, const char *address, int port)
{
	struct sockaddr_storage at;
	socklen_t size = make(&at, address, port);

	SYS(connect(fd, (void *)&at, size));
}

static void put(int fd, const char *address, int port, const char *text)
{
	struct sockaddr_storage at;
	socklen_t size = make(&at, address, port);

	SAME(SYS(sendto(fd, text, strlen(text), 0, (void *)&at, size)), strlen(text));
}

static void get(int fd, const char *text)
{
	struct pollfd look = { .fd = fd, .events = POLLIN };
	char buf[64] = "";

	SAME(SYS(poll(&look, 1, 5000)), 1);
	SAME(SYS(recv(fd, buf, sizeof(buf) - 1, MSG_DONTWAIT)), strlen(text));
	CHECK(strcmp(buf, text) == 0, "fd %d has '%s', not '%s'", fd, buf, text);
}

static void gets_nothing(int fd)
{
	char c;

	SAME(recv(fd, &c, 1, MSG_DONTWAIT), -1);
	SAME(errno, EAGAIN);
}

/* To all of a group, from the interface that it is on. */
static void call_group(const char *from, const char *to, int port, const char *text)
{
	int fd = udp(strchr(to, ':') ? AF_INET6 : AF_INET);
	int wire = if_nametoindex("wire");

	bind_to(fd, from, 0);
	if (strchr(to, ':'))
		set(fd, IPPROTO_IPV6, IPV6_MULTICAST_IF, wire);
	put(fd, to, port, text);
	SYS(close(fd));
}

static void make_groups(void)
{
	struct ip_mreqn all = { .imr_ifindex = if_nametoindex("wire") };
	struct ip_mreq_source only;
	struct ipv6_mreq both = { .ipv6mr_interface = if_nametoindex("wire") };

	group = udp(AF_INET);
	bind_to(group, "239.1.2.3", 7400);
	all.imr_multiaddr.s_addr = inet_addr("239.1.2.3");
	SYS(setsockopt(group, IPPROTO_IP, IP_ADD_MEMBERSHIP, &all, sizeof(all)));
	some = udp(AF_INET);
	bind_to(some, "232.1.2.3", 7401);
	only.imr_multiaddr.s_addr = inet_addr("232.1.2.3");
	only.imr_interface.s_addr = inet_addr("10.99.0.1");
	only.imr_sourceaddr.s_addr = inet_addr("10.99.0.1");
	SYS(setsockopt(some, IPPROTO_IP, IP_ADD_SOURCE_MEMBERSHIP, &only, sizeof(only)));
	set(some, IPPROTO_IP, IP_MULTICAST_ALL, 0);
	group_six = udp(AF_INET6);
	bind_to(group_six, "::", 7402);
	SAME(inet_pton(AF_INET6, "ff05::1234", &both.ipv6mr_multiaddr), 1);
	SYS(setsockopt(group_six, IPPROTO_IPV6, IPV6_ADD_MEMBERSHIP, &both, sizeof(both)));
}

static void check_groups(void)
{
	call_group("10.99.0.1", "239.1.2.3", 7400, "all");
	get(group, "all");
	call_group("10.99.0.1", "232.1.2.3", 7401, "one");
	get(some, "one");
	call_group("127.0.0.1", "232.1.2.3", 7401, "other");
	gets_nothing(some);
	call_group("fd99::1", "ff05::1234", 7402, "six");
	get(group_six, "six");
}

static void make_all(void)
{
	plain = udp(AF_INET);
	server = udp(AF_INET);
	bind_to(server, "127.0.0.1", 7410);
	client = udp(AF_INET);
	connect_to(client, "127.0.0.1", 7410);
	SYS(fcntl(client, F_SETFL, O_NONBLOCK));
	six = udp(AF_INET6);
	bind_to(six, "::", 7411);
	for (int i = 0; i < 2; i++) {
		twice[i] = udp(AF_INET);
		set(twice[i], SOL_SOCKET, SO_REUSEPORT, 1);
		bind_to(twice[i], "127.0.0.1", 7412);
	}
	lite = socket(AF_INET, SOCK_DGRAM, IPPROTO_UDPLITE);
	if (lite >= 0) {
		bind_to(lite, "127.0.0.1", 7413);
		set(lite, IPPROTO_UDPLITE, SENT_COVERAGE, 20);
	}
	optioned = udp(AF_INET6);
	set(optioned, SOL_SOCKET, SO_BROADCAST, 1);
	set(optioned, IPPROTO_UDP, UDP_GRO, 1);
	set(optioned, IPPROTO_UDP, UDP_SEGMENT, 1200);
	set(optioned, IPPROTO_IP, IP_MULTICAST_TTL, 7);
	set(optioned, IPPROTO_IPV6, IPV6_MULTICAST_HOPS, 8);
	set(optioned, IPPROTO_IPV6, IPV6_MULTICAST_LOOP, 0);
	set(optioned, IPPROTO_IPV6, IPV6_RECVHOPLIMIT, 1);
	half = udp(AF_INET);
	connect_to(half, "127.0.0.1", 7410);
	SYS(shutdown(half, SHUT_RD));
	make_groups();
}

static void check_all(void)
{
	struct sockaddr_storage at, wanted;
	socklen_t size = sizeof(at);

	make(&wanted, "127.0.0.1", 7410);
	SYS(getpeername(client, (void *)&at, &size));
	CHECK(memcmp(&at, &wanted, size) == 0);
	size = sizeof(at);
	SAME(getpeername(server, (void *)&at, &size), -1);
	SAME(SYS(send(client, "ask", 3, 0)), 3);
	size = sizeof(at);
	SYS(getsockname(client, (void *)&at, &size));
	get(server, "ask");
	SAME(SYS(sendto(server, "answer", 6, 0, (void *)&at, size)), 6);
	get(client, "answer");
	put(plain, "127.0.0.1", 7411, "from four");
	get(six, "from four");
	for (int i = 0; i < 2; i++)
		is(twice[i], SOL_SOCKET, SO_REUSEPORT, 1);
	if (lite >= 0)
		is(lite, IPPROTO_UDPLITE, SENT_COVERAGE, 20);
	is(optioned, SOL_SOCKET, SO_BROADCAST, 1);
	is(optioned, IPPROTO_UDP, UDP_GRO, 1);
	is(optioned, IPPROTO_UDP, UDP_SEGMENT, 1200);
	is(optioned, IPPROTO_IP, IP_MULTICAST_TTL, 7);
	is(optioned, IPPROTO_IPV6, IPV6_MULTICAST_HOPS, 8);
	is(optioned, IPPROTO_IPV6, IPV6_MULTICAST_LOOP, 0);
	is(optioned, IPPROTO_IPV6, IPV6_RECVHOPLIMIT, 1);
	SAME(SYS(recv(half, &at, 1, 0)), 0);
	SAME(SYS(send(half, "half", 4, 0)), 4);
	get(server, "half");
}

static void cork(void)
{
	int fd = udp(AF_INET);

	SAME(fd, 3);
	bind_to(fd, "127.0.0.1", 7420);
	connect_to(fd, "127.0.0.1", 7420);
	set(fd, IPPROTO_UDP, UDP_CORK, 1);
	SAME(SYS(send(fd, "one", 3, 0)), 3);
	victim_ready();
	SAME(SYS(send(fd, " two", 4, 0)), 4);
	set(fd, IPPROTO_UDP, UDP_CORK, 0);
	get(fd, "one two");
	victim_ok();
}

int main(int argc, char **argv)
{
	(void)argv;
	if (argc > 1)
		cork();
	make_all();
	fds_note(&before);
	victim_ready();
	fds_check(&before);
	check_all();
	check_groups();
	victim_ok();
}
