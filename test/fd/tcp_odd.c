/* One TCP socket, as number 3, in a way that the first argument names; see test/fd/tcp_odd.bats. In a network namespace of its own. */
#include "test/lib/fds.h"

#include <arpa/inet.h>
#include <linux/sockios.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

enum { PORT = 7300 };

static struct sockaddr_in at(const char *address, int port)
{
	struct sockaddr_in in = { .sin_family = AF_INET, .sin_port = htons(port) };

	SAME(inet_pton(AF_INET, address, &in.sin_addr), 1);
	return in;
}

static int hear_with(const char *address, int option)
{
	struct sockaddr_in here = at(address, PORT);
	int one = 1, fd = SYS(socket(AF_INET, SOCK_STREAM, 0));

	SYS(setsockopt(fd, SOL_SOCKET, option, &one, sizeof(one)));
	SYS(bind(fd, (void *)&here, sizeof(here)));
	SYS(listen(fd, 8));
	return fd;
}

static int hear(const char *address)
{
	return hear_with(address, SO_REUSEADDR);
}

static int call(const char *address, int port, int flags)
{
	struct sockaddr_in there = at(address, port);
	int fd = SYS(socket(AF_INET, SOCK_STREAM | flags, 0));

	if (connect(fd, (void *)&there, sizeof(there)) < 0)
		SAME(errno, EINPROGRESS);
	return fd;
}

static int state(int fd)
{
	struct tcp_info info = { 0 };
	socklen_t size = sizeof(info);

	SYS(getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &size));
	return info.tcpi_state;
}

/* The two ends are 3 and 4. */
static void make_pair(void)
{
	int listening = hear("127.0.0.1"), fd = call("127.0.0.1", PORT, 0);

	SYS(dup2(SYS(accept(listening, NULL, NULL)), 100));
	SYS(dup2(fd, 3));
	SYS(dup2(100, 4));
	for (int i = 5; i <= 100; i++)
		close(i);
}

static void await(int fd, int events)
{
	struct pollfd look = { .fd = fd, .events = events };

	SAME(SYS(poll(&look, 1, 10000)), 1);
}

static void pair(void)
{
	make_pair();
	victim_ready();
	SAME(SYS(send(3, "a", 1, 0)), 1);
	await(4, POLLIN);
	SAME(state(3), TCP_ESTABLISHED);
}

static void closed(void)
{
	char c;

	make_pair();
	SAME(SYS(send(3, "a", 1, 0)), 1);
	victim_ready();
	for (int fd = 3; fd <= 4; fd++) {
		SAME(state(fd), TCP_CLOSE);
		SAME(SYS(recv(fd, &c, 1, 0)), 0);
		SAME(send(fd, &c, 1, MSG_NOSIGNAL), -1);
		SAME(errno, EPIPE);
	}
}

/* Somebody calls from outside, whom nobody accepts. */
static void flight(void)
{
	int fd = hear("10.99.0.1");

	SAME(fd, 3);
	await(fd, POLLIN);
	victim_ready();
}

static void shared(void)
{
	await(hear_with("10.99.0.1", SO_REUSEPORT), POLLIN);
	victim_ready();
}

static void dropped(void)
{
	flight();
	SAME(fcntl(3, F_SETFL, O_NONBLOCK), 0);
	SAME(accept(3, NULL, NULL), -1);
	SAME(errno, EAGAIN);
	call("10.99.0.1", PORT, 0);
	await(3, POLLIN);
	SYS(accept(3, NULL, NULL));
}

static void urgent(void)
{
	make_pair();
	SAME(SYS(send(4, "abc", 3, MSG_OOB)), 3);
	await(3, POLLPRI);
	victim_ready();
	await(3, POLLPRI);
}

static void reset(void)
{
	char c;

	make_pair();
	SAME(SYS(send(3, "a", 1, 0)), 1);
	SAME(SYS(send(4, "b", 1, 0)), 1);
	await(4, POLLIN);
	await(3, POLLIN);
	SYS(close(4));
	await(3, POLLERR);
	victim_ready();
	SAME(SYS(recv(3, &c, 1, 0)), 1);
	SAME(c, 'b');
	SAME(recv(3, &c, 1, 0), -1);
	SAME(errno, ECONNRESET);
}

/* Both have said that nothing more comes, and all of it was acknowledged. */
static void ended(void)
{
	char buf[8];

	make_pair();
	SAME(SYS(send(4, "abc", 3, 0)), 3);
	SYS(shutdown(3, SHUT_WR));
	await(4, POLLIN);
	SYS(shutdown(4, SHUT_WR));
	while (state(3) != TCP_CLOSE)
		victim_sleep_ms(5);
	victim_ready();
	SAME(SYS(recv(3, buf, sizeof(buf), 0)), 3);
	CHECK(memcmp(buf, "abc", 3) == 0);
	SAME(SYS(recv(3, buf, sizeof(buf), 0)), 0);
	SAME(send(3, buf, 1, MSG_NOSIGNAL), -1);
	SAME(errno, EPIPE);
}

/* A call that nobody answers before the test lets it through. */
static void calling(void)
{
	int error = -1;
	socklen_t size = sizeof(error);

	SAME(call("10.99.0.2", 7301, SOCK_NONBLOCK), 3);
	SAME(state(3), TCP_SYN_SENT);
	victim_ready();
	await(3, POLLOUT);
	SYS(getsockopt(3, SOL_SOCKET, SO_ERROR, &error, &size));
	SAME(error, 0);
	SAME(state(3), TCP_ESTABLISHED);
	SAME(fcntl(3, F_GETFL), O_RDWR | O_NONBLOCK);
}

/* Of one segment the other side takes a part (tcp_partly.py), and the rest when it has been sent once more. */
static void partly(void)
{
	enum { SIZE = 500, LEFT = 300 };
	uint8_t bytes[SIZE];
	int fd = call("10.99.0.2", 7302, 0), left = SIZE;

	SAME(fd, 3);
	for (int i = 0; i < SIZE; i++)
		bytes[i] = i % 251;
	SAME(SYS(send(fd, bytes, SIZE, 0)), SIZE);
	for (int i = 0; i < 1000 && left != LEFT; i++, victim_sleep_ms(5))
		SYS(ioctl(fd, SIOCOUTQ, &left));
	SAME(left, LEFT);
	victim_ready();
	for (int i = 0; i < 4000 && left; i++, victim_sleep_ms(5))
		SYS(ioctl(fd, SIOCOUTQ, &left));
	SAME(left, 0);
}

/* A socket belongs to where it was made. */
static void foreign(void)
{
	int home = SYS(open("/proc/self/ns/net", O_RDONLY));

	SYS(unshare(CLONE_NEWNET));
	SAME(SYS(socket(AF_INET, SOCK_STREAM, 0)), 4);
	SYS(setns(home, CLONE_NEWNET));
	SYS(close(home));
	SAME(SYS(socket(AF_INET, SOCK_STREAM, 0)), 3);
	victim_ready();
}

int main(int argc, char **argv)
{
	static const struct {
		const char *name;
		void (*run)(void);
	} ways[] = {
		{ "pair", pair },     { "closed", closed },   { "flight", flight },
		{ "urgent", urgent }, { "reset", reset },     { "dropped", dropped },
		{ "ended", ended },   { "calling", calling }, { "shared", shared },
		{ "partly", partly }, { "foreign", foreign },
	};

	for (size_t i = 0; i < sizeof(ways) / sizeof(ways[0]) && argc > 1; i++)
		if (strcmp(ways[i].name, argv[1]) == 0) {
			ways[i].run();
			victim_ok();
		}
	return 2;
}
