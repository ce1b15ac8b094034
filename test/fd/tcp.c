/*
 * TCP connections to a peer on another machine (here: another network namespace), with bytes in both directions all the while.
 *
 *   tcp ROUNDS ADDRESS PORT [...]        the program that is saved: listens there, and serves whoever comes
 *   tcp peer FILE ADDRESS PORT...        calls COUNT times each, until FILE is there; then says 'ok', or what was wrong
 *
 * What byte is where in a stream is known to both ends. The one who called ends his stream first; the other one then says how many bytes he
 * has got, and ends his. Every fourth connection is read slowly by the one who has called, every fourth one by the one who serves.
 */
#include "test/lib/fds.h"

#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>

enum { COUNT = 4, MOST = 64, PIECE = 16384, SLOW = 3000, QUICK = 20000 };

struct stream {
	int fd;
	unsigned int number;
	uint64_t sent, got;
	bool slow;  /* reads little at a time */
	bool over;  /* their end has come */
	bool ended; /* ours is sent */
	bool caller;
};

static struct stream streams[MOST];
static size_t stream_count;

static uint8_t byte_at(unsigned int number, uint64_t at)
{
	uint64_t x = (at + 1) * 0x9e3779b97f4a7c15ULL ^ number * 0xc2b2ae3d27d4eb4fULL;

	return x >> 40 ^ x >> 17;
}

static struct stream *add(int fd, unsigned int number, bool slow, bool caller)
{
	struct stream *s = &streams[stream_count++];

	CHECK(stream_count <= MOST);
	SYS(fcntl(fd, F_SETFL, O_NONBLOCK));
	*s = (struct stream){ .fd = fd, .number = number, .slow = slow, .caller = caller };
	return s;
}

static void put(struct stream *s)
{
	uint8_t buf[PIECE];
	ssize_t n;

	for (size_t i = 0; i < sizeof(buf); i++)
		buf[i] = byte_at(s->number ^ (s->caller ? 0 : 1000), s->sent + i);
	n = send(s->fd, buf, sizeof(buf), MSG_NOSIGNAL);
	if (n < 0)
		CHECK(errno == EAGAIN, "stream %u: %s", s->number, strerror(errno));
	s->sent += n < 0 ? 0 : n;
}

/* The last eight bytes of who serves are the number that it has got, which only the end tells. */
static void get(struct stream *s)
{
	static uint8_t last[MOST][8];
	uint8_t buf[PIECE];
	uint64_t told = 0;
	ssize_t n = recv(s->fd, buf, s->slow ? SLOW : sizeof(buf), 0);

	if (n < 0) {
		CHECK(errno == EAGAIN, "stream %u: %s", s->number, strerror(errno));
		return;
	}
	s->over = n == 0;
	for (ssize_t i = 0; i < n; i++, s->got++) {
		uint8_t *held = &last[s - streams][s->got % 8];
		uint64_t at = s->got - 8;

		if (!s->caller)
			CHECK(buf[i] == byte_at(s->number, s->got), "stream %u differs at %lu",
			      s->number, s->got);
		else if (s->got >= 8)
			CHECK(*held == byte_at(s->number ^ 1000, at), "stream %u differs at %lu",
			      s->number, at);
		*held = buf[i];
	}
	if (!s->over || !s->caller)
		return;
	for (int i = 0; i < 8; i++)
		told |= (uint64_t)last[s - streams][(s->got + i) % 8] << i * 8;
	CHECK(told == s->sent, "stream %u: %lu of %lu bytes have come", s->number, told, s->sent);
}

static void end(struct stream *s)
{
	int flags = SYS(fcntl(s->fd, F_GETFL));

	if (!s->caller) {
		SYS(fcntl(s->fd, F_SETFL, flags & ~O_NONBLOCK));
		SAME(SYS(send(s->fd, &s->got, 8, MSG_NOSIGNAL)), 8);
		SYS(fcntl(s->fd, F_SETFL, flags));
	}
	SYS(shutdown(s->fd, SHUT_WR));
	s->ended = true;
}

/* All that can be done without waiting. Returns how many are not through yet. */
static size_t turn(bool finish)
{
	struct pollfd look[MOST];
	size_t open = 0;

	for (size_t i = 0; i < stream_count; i++) {
		struct stream *s = &streams[i];

		look[i] = (struct pollfd){ .fd = s->over && s->ended ? -1 : s->fd };
		look[i].events = (s->over ? 0 : POLLIN) | (s->ended ? 0 : POLLOUT);
	}
	if (poll(look, stream_count, 10) < 0)
		return 1;
	for (size_t i = 0; i < stream_count; i++) {
		struct stream *s = &streams[i];

		if (look[i].revents & (POLLIN | POLLERR | POLLHUP) && !s->over)
			get(s);
		if (!s->ended && (s->caller ? finish : s->over))
			end(s);
		else if (look[i].revents & POLLOUT && !s->ended)
			put(s);
		open += !(s->over && s->ended);
	}
	/* Enough to fill queues and leave some processor time for others. */
	usleep(stream_count && streams[0].caller ? QUICK / 10 : 0);
	return open;
}

static int make(const char *address, const char *port, struct sockaddr_storage *ret,
		socklen_t *ret_size)
{
	struct sockaddr_in *in = (void *)ret;
	struct sockaddr_in6 *in6 = (void *)ret;

	memset(ret, 0, sizeof(*ret));
	if (inet_pton(AF_INET, address, &in->sin_addr) == 1) {
		in->sin_family = AF_INET;
		in->sin_port = htons(atoi(port));
		*ret_size = sizeof(*in);
	} else {
		SAME(inet_pton(AF_INET6, address, &in6->sin6_addr), 1);
		in6->sin6_family = AF_INET6;
		in6->sin6_port = htons(atoi(port));
		*ret_size = sizeof(*in6);
	}
	return SYS(socket(ret->ss_family, SOCK_STREAM, 0));
}

/* --- who serves ------------------------------------------------------------------------------------- */

static int listening[8];
static size_t listening_count;

static void hear(const char *address, const char *port)
{
	struct sockaddr_storage at;
	socklen_t size;
	int fd = make(address, port, &at, &size), one = 1;

	SYS(setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)));
	SYS(bind(fd, (void *)&at, size));
	SYS(listen(fd, 16));
	listening[listening_count++] = fd;
}

static void take(int fd)
{
	uint32_t number;
	int got = SYS(accept(fd, NULL, NULL));

	SAME(SYS(recv(got, &number, sizeof(number), MSG_WAITALL)), sizeof(number));
	add(got, number, number % 4 == 1, false);
}

static void *serve(void *arg)
{
	size_t all = listening_count * COUNT;

	for (size_t i = 0; i < all; i++)
		take(listening[i / COUNT]);
	victim_set();
	while (turn(false))
		;
	return arg;
}

/* --- who calls -------------------------------------------------------------------------------------- */

static void call(const char *address, const char *port, uint32_t number)
{
	struct sockaddr_storage at;
	socklen_t size;
	int fd = make(address, port, &at, &size);

	for (int tries = 0; connect(fd, (void *)&at, size) < 0; tries++) {
		CHECK(tries < 1000, "connect: %s", strerror(errno));
		usleep(10000);
	}
	SAME(write(fd, &number, sizeof(number)), sizeof(number));
	add(fd, number, number % 4 == 2, true);
}

_Noreturn static void peer(int argc, char **argv)
{
	uint32_t number = 0;

	for (int i = 3; i + 1 < argc; i += 2)
		for (int k = 0; k < COUNT; k++)
			call(argv[i], argv[i + 1], number++);
	while (turn(access(argv[2], F_OK) == 0))
		;
	victim_ok();
}

int main(int argc, char **argv)
{
	if (argc > 2 && strcmp(argv[1], "peer") == 0)
		peer(argc, argv);
	for (int i = 2; i + 1 < argc; i += 2)
		hear(argv[i], argv[i + 1]);
	victim_thread(serve, NULL);
	for (int i = argc > 1 ? atoi(argv[1]) : 0; i > 0; i--)
		victim_ready();
	victim_join();
	for (size_t i = 0; i < stream_count; i++)
		CHECK(streams[i].got > PIECE, "stream %zu has got %lu bytes", i, streams[i].got);
	victim_ok();
}
