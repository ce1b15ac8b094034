/*
 * Datagrams that nobody has read yet, with their senders: in sockets of all addresses and of one, of IPv4 and IPv6, connected behind that, two at one
 * port, with what the program wants to be told of each. In a network namespace of its own; the argument 'peer' sends from another one.
 */
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>

#include "test/lib/sk_options.h"

enum { COUNT = 6, BIG = 65488, FAR_PORT = 7500, NEAR_PORT = 7600, SHARED = 7700, TTL = 77 };

static const int sizes[COUNT] = { 10, 0, 1, 1400, BIG, 100 };
static char buf[BIG + 1];

union address {
	struct sockaddr any;
	struct sockaddr_in in;
	struct sockaddr_in6 in6;
};

static socklen_t make(union address *ret, const char *text, int port)
{
	memset(ret, 0, sizeof(*ret));
	ret->in.sin_port = htons(port);
	ret->any.sa_family = strchr(text, ':') ? AF_INET6 : AF_INET;
	if (ret->any.sa_family == AF_INET6) {
		SAME(inet_pton(AF_INET6, text, &ret->in6.sin6_addr), 1);
		return sizeof(ret->in6);
	}
	SAME(inet_pton(AF_INET, text, &ret->in.sin_addr), 1);
	return sizeof(ret->in);
}

static int open_at(const char *address, int port, int option)
{
	union address a;
	socklen_t size = make(&a, address, port);
	int fd = SYS(socket(a.any.sa_family, SOCK_DGRAM, 0));

	if (option)
		set(fd, SOL_SOCKET, option, 1);
	SYS(bind(fd, &a.any, size));
	return fd;
}

static void fill(int number, int size)
{
	for (int i = 0; i < size; i++)
		buf[i] = number * 31 + i * 7 + i / 256;
}

/* All of the sizes, from the ports behind this one. */
static void send_all(const char *from, int from_port, const char *to, int port)
{
	union address a;
	socklen_t size = make(&a, to, port);

	for (int i = 0; i < COUNT; i++) {
		int fd = open_at(from, from_port + i, SO_REUSEADDR);

		if (a.any.sa_family == AF_INET)
			set(fd, IPPROTO_IP, IP_TTL, TTL);
		fill(i, sizes[i]);
		SAME(SYS(sendto(fd, buf, sizes[i], 0, &a.any, size)), sizes[i]);
		SYS(close(fd));
	}
}

static int get(int fd, union address *from, struct msghdr *m)
{
	static char control[512];
	struct iovec io = { buf, sizeof(buf) };

	*m = (struct msghdr){ .msg_name = from,
			      .msg_namelen = sizeof(*from),
			      .msg_iov = &io,
			      .msg_iovlen = 1,
			      .msg_control = control,
			      .msg_controllen = sizeof(control) };
	return SYS(recvmsg(fd, m, MSG_DONTWAIT));
}

static void get_all(int fd, const char *from, int from_port)
{
	static char wanted[BIG];

	for (int i = 0; i < COUNT; i++) {
		union address a, is;
		struct msghdr m;

		make(&a, from, from_port + i);
		SAME(get(fd, &is, &m), sizes[i]);
		memcpy(wanted, buf, sizes[i]);
		fill(i, sizes[i]);
		CHECK(memcmp(wanted, buf, sizes[i]) == 0, "datagram %d of fd %d", i, fd);
		CHECK(memcmp(&is, &a, m.msg_namelen) == 0,
		      "datagram %d of fd %d has another sender", i, fd);
	}
	SAME(recv(fd, buf, 1, MSG_DONTWAIT), -1);
	SAME(errno, EAGAIN);
}

static void get_told(int fd)
{
	for (int i = 0; i < COUNT; i++) {
		struct in_pktinfo info = { 0 };
		union address from;
		struct msghdr m;
		int ttl = 0;

		SAME(get(fd, &from, &m), sizes[i]);
		for (struct cmsghdr *c = CMSG_FIRSTHDR(&m); c; c = CMSG_NXTHDR(&m, c))
			if (c->cmsg_type == IP_PKTINFO)
				memcpy(&info, CMSG_DATA(c), sizeof(info));
			else if (c->cmsg_type == IP_TTL)
				memcpy(&ttl, CMSG_DATA(c), sizeof(ttl));
		SAME(ttl, TTL);
		SAME(info.ipi_addr.s_addr, inet_addr("10.99.0.1"));
	}
}

static void await(int fd)
{
	struct pollfd look = { .fd = fd, .events = POLLIN };

	SAME(SYS(poll(&look, 1, 10000)), 1);
	victim_sleep_ms(100);
}

int main(int argc, char **argv)
{
	int any, told, six, both, one, shared[2];
	union address a;
	socklen_t size;

	if (argc > 1 && strcmp(argv[1], "peer") == 0) {
		send_all("10.99.0.2", 3000, "10.99.0.1", FAR_PORT);
		send_all("10.99.0.2", 3100, "10.99.0.1", FAR_PORT + 1);
		send_all("fd99::2", 3200, "fd99::1", FAR_PORT + 2);
		send_all("10.99.0.2", 3300, "10.99.0.1", FAR_PORT + 3);
		return 0;
	}
	any = open_at("0.0.0.0", FAR_PORT, 0);
	told = open_at("0.0.0.0", FAR_PORT + 1, 0);
	set(told, IPPROTO_IP, IP_PKTINFO, 1);
	set(told, IPPROTO_IP, IP_RECVTTL, 1);
	six = open_at("fd99::1", FAR_PORT + 2, 0);
	both = open_at("::", FAR_PORT + 3, 0);
	one = open_at("127.0.0.1", NEAR_PORT, 0);
	for (int i = 0; i < 2; i++)
		shared[i] = open_at("127.0.0.1", SHARED, SO_REUSEPORT);
	send_all("127.0.0.1", 4000, "127.0.0.1", NEAR_PORT);
	size = make(&a, "127.0.0.1", 4444);
	SYS(connect(one, &a.any, size));
	for (int i = 0; i < 2; i++) {
		size = make(&a, "127.0.0.1", 4100 + i * 10);
		SYS(connect(shared[i], &a.any, size));
		fill(i, 100);
		int fd = open_at("127.0.0.1", 4100 + i * 10, 0);

		size = make(&a, "127.0.0.1", SHARED);
		SAME(SYS(sendto(fd, buf, 100, 0, &a.any, size)), 100);
		SYS(close(fd));
		a.any.sa_family = AF_UNSPEC;
		SYS(connect(shared[i], &a.any, sizeof(a.any)));
	}
	victim_ready();
	await(any);
	await(told);
	await(six);
	await(both);
	victim_ready();
	get_all(any, "10.99.0.2", 3000);
	get_told(told);
	get_all(six, "fd99::2", 3200);
	get_all(both, "::ffff:10.99.0.2", 3300);
	get_all(one, "127.0.0.1", 4000);
	for (int i = 0; i < 2; i++) {
		struct msghdr m;

		SAME(get(shared[i], &a, &m), 100);
		SAME(ntohs(a.in.sin_port), 4100 + i * 10);
		SAME(recv(shared[i], buf, 1, MSG_DONTWAIT), -1);
	}
	victim_ok();
}
