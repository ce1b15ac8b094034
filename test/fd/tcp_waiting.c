/*
 * Connections that nobody has accepted yet, from a peer on another machine (here: another network namespace).
 *
 *   tcp_waiting ROUNDS ADDRESS [lossy]     listens, and accepts after so many rounds
 *   tcp_waiting peer FILE ADDRESS [lossy]  calls, some with bytes, an end or a reset behind that; goes on when FILE is there
 */
#include <arpa/inet.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "test/lib/victim.h"

#define PORT "7310"
enum { SHORT = 1000, LONG = 300000, LATER = 50000, LOCAL = 7311 };

/* What each caller does before it is accepted. */
static const struct way {
	size_t early;
	bool end, reset;
} ways[] = {
	{ 0, false, false }, { SHORT, false, false }, { LONG, false, false },
	{ 0, true, false },  { SHORT, true, false },  { SHORT, false, true },
	{ 0, false, true },  { 1, false, false },
};

enum { WAYS = sizeof(ways) / sizeof(ways[0]) };

static char letter(int way, size_t at)
{
	return 'a' + (way * 7 + at * 3 + at / 251) % 26;
}

static struct addrinfo *resolve(const char *address, const char *port)
{
	struct addrinfo hints = { .ai_flags = AI_NUMERICHOST | AI_PASSIVE,
				  .ai_socktype = SOCK_STREAM },
			*ret;

	SAME(getaddrinfo(address, port, &hints, &ret), 0);
	return ret;
}

static void put(int fd, int way, size_t from, size_t to)
{
	char buf[4096];

	while (from < to) {
		size_t n = to - from < sizeof(buf) ? to - from : sizeof(buf);

		for (size_t i = 0; i < n; i++)
			buf[i] = letter(way, from + i);
		from += SYS(send(fd, buf, n, MSG_NOSIGNAL));
	}
}

static void get(int fd, int way, size_t from, size_t to)
{
	char buf[4096];

	while (from < to) {
		size_t n = to - from < sizeof(buf) ? to - from : sizeof(buf);

		n = SYS(recv(fd, buf, n, 0));
		CHECK(n > 0, "of caller %d byte %zu does not come", way, from);
		for (size_t i = 0; i < n; i++)
			CHECK(buf[i] == letter(way, from + i), "caller %d, byte %zu", way,
			      from + i);
		from += n;
	}
}

/* --- who calls -------------------------------------------------------------------- */

static int call(const struct addrinfo *a, int way)
{
	int fd = -1;

	for (int i = 0; i < 1000 && fd < 0; i++) {
		fd = SYS(socket(a->ai_family, SOCK_STREAM, 0));
		if (connect(fd, a->ai_addr, a->ai_addrlen) == 0)
			break;
		close(fd);
		fd = -1;
		victim_sleep_ms(10);
	}
	CHECK(fd >= 0);
	put(fd, way, 0, ways[way].early < LONG ? ways[way].early : 0);
	return fd;
}

static void end_early(int fd, int way)
{
	struct linger none = { .l_onoff = 1 };

	if (ways[way].end)
		SYS(shutdown(fd, SHUT_WR));
	if (!ways[way].reset)
		return;
	SYS(setsockopt(fd, SOL_SOCKET, SO_LINGER, &none, sizeof(none)));
	SYS(close(fd));
}

/* As much as goes without anybody who reads it. */
static size_t put_what_goes(int fd, int way)
{
	size_t n = 0;

	SYS(fcntl(fd, F_SETFL, O_NONBLOCK));
	for (int idle = 0; n < LONG && idle < 20; idle++) {
		char c = letter(way, n);

		while (n < LONG && send(fd, &c, 1, MSG_NOSIGNAL) == 1)
			idle = 0, c = letter(way, ++n);
		victim_sleep_ms(10);
	}
	SYS(fcntl(fd, F_SETFL, 0));
	return n;
}

_Noreturn static void peer(char **argv)
{
	struct addrinfo *a = resolve(argv[3], PORT);
	int fds[WAYS];
	size_t sent = 0;
	struct stat st;

	for (int i = 0; i < WAYS; i++) {
		fds[i] = call(a, i);
		if (ways[i].early == LONG)
			sent = put_what_goes(fds[i], i);
		end_early(fds[i], i);
	}
	while (stat(argv[2], &st) < 0)
		victim_sleep_ms(10);
	for (int i = 0; i < WAYS; i++) {
		if (ways[i].reset)
			continue;
		if (!ways[i].end) {
			put(fds[i], i, ways[i].early < LONG ? ways[i].early : sent,
			    ways[i].early + LATER);
			SYS(shutdown(fds[i], SHUT_WR));
		}
		get(fds[i], WAYS + i, 0, LATER);
	}
	victim_ok();
}

/* --- who listens ------------------------------------------------------------------ */

static int hear(const struct addrinfo *a)
{
	int one = 1, fd = SYS(socket(a->ai_family, SOCK_STREAM, 0));

	SYS(setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)));
	SYS(bind(fd, a->ai_addr, a->ai_addrlen));
	SYS(listen(fd, WAYS - 1));
	return fd;
}

/* Of one that listens the number of those who wait. */
static void await(int fd, unsigned int count)
{
	struct tcp_info info = { 0 };
	socklen_t size = sizeof(info);

	for (int i = 0; i < 1000 && info.tcpi_unacked != count; i++) {
		victim_sleep_ms(10);
		SYS(getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &size));
	}
	SAME(info.tcpi_unacked, count);
}

static void take(int listening, int way)
{
	size_t end = ways[way].end ? ways[way].early : ways[way].early + LATER;
	struct pollfd look = { .fd = listening, .events = POLLIN };
	char c;

	SAME(SYS(poll(&look, 1, 1000)), 1);
	int fd = SYS(accept(listening, NULL, NULL));

	if (ways[way].reset) {
		get(fd, way, 0, ways[way].early);
		SAME(recv(fd, &c, 1, 0), -1);
		SAME(errno, ECONNRESET);
		SYS(close(fd));
		return;
	}
	get(fd, way, 0, end);
	SAME(SYS(recv(fd, &c, 1, 0)), 0);
	put(fd, WAYS + way, 0, LATER);
	SYS(close(fd));
}

/* One that has both its ends in the tree. */
static void call_myself(int *ret_listening, int *ret_calling)
{
	struct addrinfo *a = resolve("127.0.0.1", "7311");

	*ret_listening = hear(a);
	*ret_calling = SYS(socket(AF_INET, SOCK_STREAM, 0));
	SYS(connect(*ret_calling, a->ai_addr, a->ai_addrlen));
	SAME(SYS(send(*ret_calling, "myself", 6, 0)), 6);
	await(*ret_listening, 1);
}

static void answer_myself(int listening, int calling)
{
	char buf[8];
	int fd = SYS(accept(listening, NULL, NULL));

	SAME(SYS(recv(fd, buf, sizeof(buf), 0)), 6);
	CHECK(memcmp(buf, "myself", 6) == 0);
	SAME(SYS(send(fd, "yes", 3, 0)), 3);
	SAME(SYS(recv(calling, buf, sizeof(buf), 0)), 3);
	SAME(SYS(send(calling, "more", 4, 0)), 4);
	SAME(SYS(recv(fd, buf, sizeof(buf), 0)), 4);
}

int main(int argc, char **argv)
{
	int fd, listening, calling;

	signal(SIGALRM, SIG_DFL);
	if (argc > 3 && strcmp(argv[1], "peer") == 0)
		peer(argv);
	if (argc < 3)
		return 2;
	fd = hear(resolve(argv[2], PORT));
	call_myself(&listening, &calling);
	await(fd, WAYS);
	for (int i = atoi(argv[1]); i > 0; i--)
		victim_ready();
	answer_myself(listening, calling);
	for (int i = 0; i < WAYS; i++)
		take(fd, i);
	victim_ok();
}
