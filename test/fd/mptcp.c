/*
 * MPTCP: sockets that listen, are bound, or neither, of both families; those who call by TCP are answered, and their connections go
 * on. With the argument 'connected' number 3 is a connection of MPTCP itself, with 'waiting' one waits in number 3.
 */
#include "test/lib/fds.h"
#include "test/lib/sk_options.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>

static struct fds before;

static int made(int family)
{
	int fd = socket(family, SOCK_STREAM, IPPROTO_MPTCP);

	if (fd < 0)
		victim_skip("this kernel has no MPTCP");
	return fd;
}

static int named(int family)
{
	struct sockaddr_in6 at = { .sin6_family = family };
	struct sockaddr_in *four = (void *)&at;
	int fd = made(family), on = 1;

	if (family == AF_INET)
		four->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	else
		at.sin6_addr = in6addr_loopback;
	SYS(setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on)));
	SYS(bind(fd, (struct sockaddr *)&at, family == AF_INET ? sizeof(*four) : sizeof(at)));
	return fd;
}

static int call(int server, int protocol)
{
	struct sockaddr_storage at;
	socklen_t size = sizeof(at);
	int fd;

	SYS(getsockname(server, (struct sockaddr *)&at, &size));
	fd = SYS(socket(at.ss_family, SOCK_STREAM, protocol));
	SYS(connect(fd, (struct sockaddr *)&at, size));
	return fd;
}

static int answer(int server)
{
	struct pollfd p = { .fd = server, .events = POLLIN };

	SAME(poll(&p, 1, 10000), 1);
	return SYS(accept(server, NULL, NULL));
}

static void passes(int from, int to, const char *text)
{
	struct pollfd p = { .fd = to, .events = POLLIN };
	char buf[32] = "";

	SAME(SYS(send(from, text, strlen(text), MSG_NOSIGNAL)), strlen(text));
	SAME(poll(&p, 1, 10000), 1);
	SAME(SYS(recv(to, buf, sizeof(buf) - 1, 0)), strlen(text));
	CHECK(strcmp(buf, text) == 0, "'%s' came", buf);
}

/* Somebody calls, and is heard. */
static void serves(int server, int protocol)
{
	int caller = call(server, protocol);

	passes(caller, answer(server), "called");
}

static void odd(const char *how)
{
	int server = named(AF_INET), client;

	SYS(listen(server, 4));
	client = call(server, IPPROTO_MPTCP);
	if (strcmp(how, "connected") == 0) {
		int end = answer(server);

		SYS(close(server));
		SAME(dup2(end, 3), 3);
		SYS(close(end));
	}
	victim_ready();
	if (strcmp(how, "waiting") == 0)
		client = call(server, IPPROTO_TCP);
	SYS(fcntl(client, F_GETFD));
	victim_ok();
}

int main(int argc, char **argv)
{
	int four, six, bound, one, other;

	if (argc > 1)
		odd(argv[1]);
	four = named(AF_INET);
	six = named(AF_INET6);
	SYS(listen(four, 7));
	SYS(listen(six, 9));
	bound = named(AF_INET);
	made(AF_INET6);
	one = call(four, IPPROTO_TCP);
	other = answer(four);
	passes(one, other, "before");
	fds_note(&before);
	victim_ready();
	fds_check(&before);
	is(four, SOL_SOCKET, SO_PROTOCOL, IPPROTO_MPTCP);
	is(six, SOL_SOCKET, SO_KEEPALIVE, 1);
	is(other, SOL_SOCKET, SO_PROTOCOL, IPPROTO_TCP);
	passes(one, other, "after");
	passes(other, one, "back");
	serves(four, IPPROTO_TCP);
	serves(six, IPPROTO_MPTCP);
	SYS(listen(bound, 1));
	serves(bound, IPPROTO_MPTCP);
	victim_ok();
}
