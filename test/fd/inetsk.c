/*
 * IPv4 and IPv6 sockets without a peer: that listen, are bound, or neither; options; groups that share a port; one socket of two
 * processes. To be run in a network namespace of its own.
 */
#include "test/lib/fds.h"
#include "test/lib/sk_options.h"

#include <arpa/inet.h>
#include <linux/filter.h>
#include <linux/in6.h>
#include <net/if.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/time.h>

/* netinet/in.h has its own words for these. */
enum { V6_FREEBIND = 78, BIND_LATER = 24, GROUP = 3 };

static struct fds before;
static int plain, six, options, bound, dual, only, four, queue[GROUP], child_queue, device, foreign;
static int fast, owned, silent, any_port;
static int backlog_of[FDS_MAX];

static int tcp(int family)
{
	return SYS(socket(family, SOCK_STREAM, 0));
}

static void bind_to(int fd, const char *address, int port)
{
	struct sockaddr_in in = { .sin_family = AF_INET, .sin_port = htons(port) };
	struct sockaddr_in6 in6 = { .sin6_family = AF_INET6, .sin6_port = htons(port) };

	if (inet_pton(AF_INET, address, &in.sin_addr) == 1) {
		SYS(bind(fd, (void *)&in, sizeof(in)));
		return;
	}
	SAME(inet_pton(AF_INET6, address, &in6.sin6_addr), 1);
	SYS(bind(fd, (void *)&in6, sizeof(in6)));
}

static void bound_to(int fd, const char *address, int port)
{
	struct sockaddr_storage at = { 0 };
	struct sockaddr_in *in = (void *)&at;
	struct sockaddr_in6 *in6 = (void *)&at;
	socklen_t size = sizeof(at);
	char text[64];

	SYS(getsockname(fd, (void *)&at, &size));
	if (at.ss_family == AF_INET)
		inet_ntop(AF_INET, &in->sin_addr, text, sizeof(text));
	else
		inet_ntop(AF_INET6, &in6->sin6_addr, text, sizeof(text));
	CHECK(strcmp(text, address) == 0, "fd %d has %s, not %s", fd, text, address);
	SAME(ntohs(in->sin_port), port);
}

static void hear(int fd, int backlog)
{
	SYS(listen(fd, backlog));
	backlog_of[fd] = backlog;
}

static void hears(int fd)
{
	struct tcp_info info = { 0 };
	socklen_t size = sizeof(info);

	is(fd, SOL_SOCKET, SO_ACCEPTCONN, 1);
	SYS(getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &size));
	SAME(info.tcpi_sacked, backlog_of[fd]);
}

/* Somebody who calls there comes out here. */
static void answers(int fd, const char *address, int port)
{
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons(port) };
	struct sockaddr_in6 to6 = { .sin6_family = AF_INET6, .sin6_port = htons(port) };
	bool is_four = inet_pton(AF_INET, address, &to.sin_addr) == 1;
	int caller = tcp(is_four ? AF_INET : AF_INET6), end;

	if (is_four) {
		SYS(connect(caller, (void *)&to, sizeof(to)));
	} else {
		SAME(inet_pton(AF_INET6, address, &to6.sin6_addr), 1);
		SYS(connect(caller, (void *)&to6, sizeof(to6)));
	}
	SAME(write(caller, "hello", 5), 5);
	end = SYS(accept(fd, NULL, NULL));
	char buf[8];
	SAME(read(end, buf, sizeof(buf)), 5);
	SYS(close(caller));
	SYS(close(end));
}

static void make_options(void)
{
	struct timeval time = { 3, 500000 };
	struct linger linger = { 1, 7 };

	options = tcp(AF_INET6);
	set(options, SOL_SOCKET, SO_KEEPALIVE, 1);
	set(options, SOL_SOCKET, SO_SNDBUF, 50000);
	set(options, SOL_SOCKET, SO_RCVBUF, 60000);
	set(options, SOL_SOCKET, SO_MARK, 77);
	set(options, SOL_SOCKET, SO_RCVLOWAT, 9);
	set(options, SOL_SOCKET, SO_OOBINLINE, 1);
	set(options, SOL_SOCKET, SO_TIMESTAMPNS, 1);
	SYS(setsockopt(options, SOL_SOCKET, SO_RCVTIMEO, &time, sizeof(time)));
	SYS(setsockopt(options, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger)));
	set(options, IPPROTO_TCP, TCP_NODELAY, 1);
	set(options, IPPROTO_TCP, TCP_CORK, 1);
	set(options, IPPROTO_TCP, TCP_KEEPIDLE, 123);
	set(options, IPPROTO_TCP, TCP_KEEPINTVL, 45);
	set(options, IPPROTO_TCP, TCP_KEEPCNT, 6);
	set(options, IPPROTO_TCP, TCP_USER_TIMEOUT, 7654);
	set(options, IPPROTO_TCP, TCP_SYNCNT, 3);
	set(options, IPPROTO_TCP, TCP_LINGER2, 11);
	set(options, IPPROTO_TCP, TCP_MAXSEG, 1000);
	SYS(setsockopt(options, IPPROTO_TCP, TCP_CONGESTION, "reno", 4));
	set(options, IPPROTO_IP, IP_TOS, 0x10);
	set(options, SOL_SOCKET, SO_PRIORITY, 5); /* IP_TOS changes it */
	set(options, IPPROTO_IP, IP_TTL, 33);
	set(options, IPPROTO_IPV6, IPV6_TCLASS, 0x20);
	set(options, IPPROTO_IPV6, IPV6_UNICAST_HOPS, 12);
	set(options, IPPROTO_IPV6, IPV6_RECVPKTINFO, 1);
	set(options, IPPROTO_IPV6, IPV6_MTU_DISCOVER, IPV6_PMTUDISC_DO);
}

static void check_options(void)
{
	struct timeval time = { 0 };
	struct linger linger = { 0 };
	char name[16] = "";
	socklen_t size = sizeof(time), other = sizeof(linger), third = sizeof(name);

	is(options, SOL_SOCKET, SO_KEEPALIVE, 1);
	is(options, SOL_SOCKET, SO_SNDBUF, 100000);
	is(options, SOL_SOCKET, SO_RCVBUF, 120000);
	is(options, SOL_SOCKET, SO_PRIORITY, 5);
	is(options, SOL_SOCKET, SO_MARK, 77);
	is(options, SOL_SOCKET, SO_RCVLOWAT, 9);
	is(options, SOL_SOCKET, SO_OOBINLINE, 1);
	is(options, SOL_SOCKET, SO_TIMESTAMPNS, 1);
	SYS(getsockopt(options, SOL_SOCKET, SO_RCVTIMEO, &time, &size));
	SAME(time.tv_sec * 1000000 + time.tv_usec, 3500000);
	SYS(getsockopt(options, SOL_SOCKET, SO_LINGER, &linger, &other));
	SAME(linger.l_onoff * 100 + linger.l_linger, 107);
	is(options, IPPROTO_TCP, TCP_NODELAY, 1);
	is(options, IPPROTO_TCP, TCP_CORK, 1);
	is(options, IPPROTO_TCP, TCP_KEEPIDLE, 123);
	is(options, IPPROTO_TCP, TCP_KEEPINTVL, 45);
	is(options, IPPROTO_TCP, TCP_KEEPCNT, 6);
	is(options, IPPROTO_TCP, TCP_USER_TIMEOUT, 7654);
	is(options, IPPROTO_TCP, TCP_SYNCNT, 3);
	is(options, IPPROTO_TCP, TCP_LINGER2, 11);
	is(options, IPPROTO_TCP, TCP_MAXSEG, 1000);
	SYS(getsockopt(options, IPPROTO_TCP, TCP_CONGESTION, name, &third));
	CHECK(strcmp(name, "reno") == 0, "congestion control is '%s'", name);
	is(options, IPPROTO_IP, IP_TOS, 0x10);
	is(options, IPPROTO_IP, IP_TTL, 33);
	is(options, IPPROTO_IPV6, IPV6_TCLASS, 0x20);
	is(options, IPPROTO_IPV6, IPV6_UNICAST_HOPS, 12);
	is(options, IPPROTO_IPV6, IPV6_RECVPKTINFO, 1);
	is(options, IPPROTO_IPV6, IPV6_MTU_DISCOVER, IPV6_PMTUDISC_DO);
}

/* One port: two that are bound to it, one that listens; SO_REUSEADDR was taken back. */
static void make_bound(void)
{
	bound = tcp(AF_INET);
	set(bound, SOL_SOCKET, SO_REUSEADDR, 1);
	bind_to(bound, "127.0.0.1", 7001);
	any_port = tcp(AF_INET);
	set(any_port, SOL_SOCKET, SO_REUSEADDR, 1);
	bind_to(any_port, "0.0.0.0", 7001);
	set(bound, SOL_SOCKET, SO_REUSEADDR, 0);
	silent = tcp(AF_INET);
	set(silent, IPPROTO_IP, BIND_LATER, 1);
	bind_to(silent, "127.0.0.9", 0);
}

static void make_listening(void)
{
	dual = tcp(AF_INET6);
	bind_to(dual, "::", 7002);
	hear(dual, 17);
	only = tcp(AF_INET6);
	set(only, IPPROTO_IPV6, IPV6_V6ONLY, 1);
	bind_to(only, "::", 7003); /* an address of its own would be enough to be for IPv6 only */
	hear(only, 3);
	four = tcp(AF_INET);
	bind_to(four, "127.0.0.1", 7003);
	hear(four, 4);
	for (int i = 0; i < GROUP; i++) {
		queue[i] = tcp(AF_INET);
		set(queue[i], SOL_SOCKET, SO_REUSEPORT, 1);
		bind_to(queue[i], "127.0.0.1", 7004);
		hear(queue[i], 5 + i);
	}
	device = tcp(AF_INET);
	SYS(setsockopt(device, SOL_SOCKET, SO_BINDTODEVICE, "lo", 3));
	bind_to(device, "0.0.0.0", 7005);
	hear(device, 1);
	foreign = tcp(AF_INET6);
	set(foreign, IPPROTO_IPV6, V6_FREEBIND, 1);
	bind_to(foreign, "2001:db8::7", 7006);
	hear(foreign, 1);
	fast = tcp(AF_INET);
	set(fast, IPPROTO_TCP, TCP_FASTOPEN, 12);
	set(fast, IPPROTO_TCP, TCP_DEFER_ACCEPT, 3);
	bind_to(fast, "127.0.0.1", 7007);
	hear(fast, 128);
}

/* Only sockets of one owner may share a port. */
static void make_owned(void)
{
	SYS(seteuid(65534));
	owned = tcp(AF_INET);
	set(owned, SOL_SOCKET, SO_REUSEPORT, 1);
	bind_to(owned, "127.0.0.1", 7008);
	SYS(seteuid(0));
	SYS(fcntl(owned, F_SETFL, O_NONBLOCK));
}

static void check_owned(void)
{
	int another;

	is(owned, SOL_SOCKET, SO_REUSEPORT, 1);
	SYS(seteuid(65534));
	another = tcp(AF_INET);
	set(another, SOL_SOCKET, SO_REUSEPORT, 1);
	bind_to(another, "127.0.0.1", 7008);
	SYS(seteuid(0));
	SYS(close(another));
}

static void check_all(void)
{
	char name[IFNAMSIZ] = "";
	socklen_t size = sizeof(name);

	check_options();
	bound_to(bound, "127.0.0.1", 7001);
	is(bound, SOL_SOCKET, SO_REUSEADDR, 0);
	bound_to(any_port, "0.0.0.0", 7001);
	is(any_port, SOL_SOCKET, SO_REUSEADDR, 1);
	bound_to(silent, "127.0.0.9", 0);
	bound_to(dual, "::", 7002);
	hears(dual);
	answers(dual, "::1", 7002);
	answers(dual, "127.0.0.1", 7002);
	is(dual, IPPROTO_IPV6, IPV6_V6ONLY, 0);
	is(only, IPPROTO_IPV6, IPV6_V6ONLY, 1);
	hears(only);
	hears(four);
	answers(only, "::1", 7003);
	answers(four, "127.0.0.1", 7003);
	for (int i = 0; i < GROUP; i++) {
		hears(queue[i]);
		is(queue[i], SOL_SOCKET, SO_REUSEPORT, 1);
	}
	SYS(getsockopt(device, SOL_SOCKET, SO_BINDTODEVICE, name, &size));
	CHECK(strcmp(name, "lo") == 0, "bound to '%s'", name);
	answers(device, "127.0.0.1", 7005);
	bound_to(foreign, "2001:db8::7", 7006);
	hears(foreign);
	is(fast, IPPROTO_TCP, TCP_FASTOPEN, 12);
	is(fast, IPPROTO_TCP, TCP_DEFER_ACCEPT, 3);
	hears(fast);
	answers(fast, "127.0.0.1", 7007);
	check_owned();
}

/* All four of the group get callers. */
static void check_group(void)
{
	struct pollfd look[GROUP + 1];
	bool seen[GROUP + 1] = { 0 };
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons(7004) };

	to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	for (int i = 0; i <= GROUP; i++)
		look[i] = (struct pollfd){ .fd = i < GROUP ? queue[i] : child_queue,
					   .events = POLLIN };
	for (int calls = 0; calls < 200; calls++) {
		int caller = tcp(AF_INET);

		SYS(connect(caller, (void *)&to, sizeof(to)));
		SAME(SYS(poll(look, GROUP + 1, 1000)), 1);
		for (int i = 0; i <= GROUP; i++)
			if (look[i].revents) {
				seen[i] = true;
				SYS(close(SYS(accept(look[i].fd, NULL, NULL))));
			}
		SYS(close(caller));
	}
	for (int i = 0; i <= GROUP; i++)
		CHECK(seen[i], "number %d of the group gets nobody", i);
}

/* Shares the group's fourth and the one that is for both families with its parent. */
static void child(void)
{
	victim_set();
	victim_wait();
	fds_check(&before);
	hears(child_queue);
	answers(dual, "127.0.0.1", 7002);
	_exit(0);
}

int main(void)
{
	pid_t pid;

	plain = tcp(AF_INET);
	SYS(fcntl(plain, F_SETFD, FD_CLOEXEC));
	six = tcp(AF_INET6);
	make_options();
	make_bound();
	make_listening();
	make_owned();
	SYS(dup2(dual, 60));
	child_queue = tcp(AF_INET);
	set(child_queue, SOL_SOCKET, SO_REUSEPORT, 1);
	bind_to(child_queue, "127.0.0.1", 7004);
	hear(child_queue, 9);
	fds_note(&before);
	pid = victim_fork();
	if (pid == 0)
		child();
	victim_ready();
	fds_check(&before);
	victim_reap(pid);
	bound_to(plain, "0.0.0.0", 0);
	bound_to(six, "::", 0);
	check_all();
	check_group();
	victim_ok();
}
