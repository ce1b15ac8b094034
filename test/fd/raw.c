/*
 * Raw sockets, and those of ICMP: protocols, addresses, peers, filters, headers of their own; that they get what they are to get, and a ping its answer by its number.
 * In a network namespace of its own, where group 7 may make the latter.
 */
#include "test/lib/fds.h"
#include "test/lib/sk_options.h"

#include <arpa/inet.h>
#include <linux/icmp.h>
#include <linux/icmpv6.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>

enum { ID = 4711, OTHER = 253, WITH_HEADER = 252, GROUP = 7 };

static struct fds before;

static int raw(int family, int protocol)
{
	return SYS(socket(family, SOCK_RAW, protocol));
}

static struct sockaddr_in loopback(int port)
{
	struct sockaddr_in in = { .sin_family = AF_INET, .sin_port = htons(port) };

	in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	return in;
}

static struct sockaddr_in6 loopback6(int port)
{
	return (struct sockaddr_in6){ .sin6_family = AF_INET6,
				      .sin6_port = htons(port),
				      .sin6_addr = IN6ADDR_LOOPBACK_INIT };
}

static bool has_something(int fd)
{
	struct pollfd look = { .fd = fd, .events = POLLIN };

	return SYS(poll(&look, 1, 200)) == 1;
}

static void drain(int fd)
{
	char buf[256];

	while (recv(fd, buf, sizeof(buf), MSG_DONTWAIT) >= 0)
		;
}

static void ping(int fd)
{
	struct icmphdr h = { .type = ICMP_ECHO }, answer;

	SAME(SYS(send(fd, &h, sizeof(h), 0)), sizeof(h));
	CHECK(has_something(fd));
	SAME(SYS(recv(fd, &answer, sizeof(answer), 0)), sizeof(answer));
	SAME(answer.type, ICMP_ECHOREPLY);
	SAME(ntohs(answer.un.echo.id), ID);
}

static void ping_six(int fd)
{
	struct icmp6hdr h = { .icmp6_type = ICMPV6_ECHO_REQUEST }, answer;
	struct sockaddr_in6 to = loopback6(0);

	SAME(SYS(sendto(fd, &h, sizeof(h), 0, (void *)&to, sizeof(to))), sizeof(h));
	CHECK(has_something(fd));
	SAME(SYS(recv(fd, &answer, sizeof(answer), 0)), sizeof(answer));
	SAME(answer.icmp6_type, ICMPV6_ECHO_REPLY);
	SAME(ntohs(answer.icmp6_identifier), ID + 1);
}

int main(void)
{
	struct sockaddr_in at = loopback(0), to = loopback(ID);
	struct sockaddr_in6 to6 = loopback6(ID + 1);
	uint32_t only = ~(1U << ICMP_ECHOREPLY), words = 0;
	struct icmp6_filter some = { { 1, 2, 3, 4, 5, 6, 7, 8 } }, is6 = { 0 };
	socklen_t size = sizeof(words), size6 = sizeof(is6);
	int plain, icmp, header, every, icmp6, six, tcp, echo, echo6;

	plain = raw(AF_INET, OTHER);
	SYS(bind(plain, (void *)&at, sizeof(at)));
	SYS(connect(plain, (void *)&at, sizeof(at)));
	icmp = raw(AF_INET, IPPROTO_ICMP);
	SYS(setsockopt(icmp, IPPROTO_RAW, ICMP_FILTER, &only, sizeof(only)));
	header = raw(AF_INET, WITH_HEADER);
	set(header, IPPROTO_IP, IP_HDRINCL, 1);
	set(header, IPPROTO_IP, IP_NODEFRAG, 1);
	every = raw(AF_INET, IPPROTO_RAW);
	icmp6 = raw(AF_INET6, IPPROTO_ICMPV6);
	SYS(setsockopt(icmp6, IPPROTO_ICMPV6, ICMPV6_FILTER, &some, sizeof(some)));
	six = raw(AF_INET6, OTHER);
	set(six, IPPROTO_RAW, IPV6_CHECKSUM, 2);
	tcp = raw(AF_INET, IPPROTO_TCP);
	SYS(setegid(GROUP));
	echo = SYS(socket(AF_INET, SOCK_DGRAM, IPPROTO_ICMP));
	echo6 = SYS(socket(AF_INET6, SOCK_DGRAM, IPPROTO_ICMPV6));
	SYS(setegid(0));
	SYS(bind(echo, (void *)&to, sizeof(to)));
	at.sin_port = 0;
	SYS(connect(echo, (void *)&at, sizeof(at)));
	SYS(bind(echo6, (void *)&to6, sizeof(to6)));
	fds_note(&before);
	victim_ready();
	fds_check(&before);
	drain(icmp);
	SAME(SYS(send(plain, "abcd", 4, 0)), 4);
	CHECK(has_something(plain));
	SYS(getsockopt(icmp, IPPROTO_RAW, ICMP_FILTER, &words, &size));
	SAME(words, only);
	SYS(getsockopt(icmp6, IPPROTO_ICMPV6, ICMPV6_FILTER, &is6, &size6));
	CHECK(memcmp(&is6, &some, sizeof(some)) == 0);
	is(header, IPPROTO_IP, IP_HDRINCL, 1);
	is(header, IPPROTO_IP, IP_NODEFRAG, 1);
	is(every, IPPROTO_IP, IP_HDRINCL, 1);
	is(icmp, IPPROTO_IP, IP_HDRINCL, 0);
	is(six, IPPROTO_RAW, IPV6_CHECKSUM, 2);
	is(tcp, SOL_SOCKET, SO_PROTOCOL, IPPROTO_TCP);
	ping(echo);
	CHECK(has_something(icmp));
	ping_six(echo6);
	victim_ok();
}
