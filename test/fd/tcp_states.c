/*
 * TCP connections of which both ends are in the tree, in every state that one can be in for long: with unread and unsent bytes, half closed,
 * with an end that the other side has not got yet. An argument: IPv6. To be run in a network namespace of its own.
 */
#include "test/lib/fds.h"

#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>

enum { PORT = 7100, BIG = 3000000 };

struct pair {
	int here, there; /* who has called, who was called */
};

static struct fds before;
static bool six;
static struct pair quiet, loaded, half, waiting, answered, last, closing, reader, corked, offset;
static size_t loaded_sent, closing_sent;
static char big[BIG];

static void address(int port, struct sockaddr_storage *ret, socklen_t *ret_size)
{
	struct sockaddr_in *in = (void *)ret;
	struct sockaddr_in6 *in6 = (void *)ret;

	memset(ret, 0, sizeof(*ret));
	ret->ss_family = six ? AF_INET6 : AF_INET;
	in->sin_port = htons(port);
	if (six)
		in6->sin6_addr = in6addr_loopback;
	else
		in->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	*ret_size = six ? sizeof(*in6) : sizeof(*in);
}

static struct pair pair(int port)
{
	struct sockaddr_storage at;
	socklen_t size;
	struct pair p;
	int one = 1, listening = SYS(socket(six ? AF_INET6 : AF_INET, SOCK_STREAM, 0));

	address(port, &at, &size);
	SYS(setsockopt(listening, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)));
	SYS(bind(listening, (void *)&at, size));
	SYS(listen(listening, 1));
	p.here = SYS(socket(six ? AF_INET6 : AF_INET, SOCK_STREAM, 0));
	SYS(connect(p.here, (void *)&at, size));
	p.there = SYS(accept(listening, NULL, NULL));
	SYS(close(listening));
	return p;
}

static int state(int fd)
{
	struct tcp_info info = { 0 };
	socklen_t size = sizeof(info);

	SYS(getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &size));
	return info.tcpi_state;
}

static void becomes(int fd, int wanted)
{
	for (int i = 0; i < 2000 && state(fd) != wanted; i++)
		victim_sleep_ms(5);
	CHECK(state(fd) == wanted, "fd %d is in state %d, not %d", fd, state(fd), wanted);
}

static void put(int fd, const char *text)
{
	SAME(send(fd, text, strlen(text), MSG_NOSIGNAL), strlen(text));
}

static void get(int fd, const char *text)
{
	char buf[256] = "";

	SAME(SYS(recv(fd, buf, strlen(text), MSG_WAITALL)), strlen(text));
	CHECK(strcmp(buf, text) == 0, "fd %d has '%s', not '%s'", fd, buf, text);
}

static void ends(int fd)
{
	char c;

	SAME(SYS(recv(fd, &c, 1, 0)), 0);
}

static void empty(int fd)
{
	char c;

	SAME(recv(fd, &c, 1, MSG_DONTWAIT), -1);
	SAME(errno, EAGAIN);
}

/* As much as there is room for, on both sides of the wire. */
static size_t stuff(int fd)
{
	size_t sent = 0;

	for (int i = 0; i < 20; i++) {
		ssize_t n = send(fd, big + sent, sizeof(big) - sent, MSG_DONTWAIT | MSG_NOSIGNAL);

		sent += n < 0 ? 0 : n;
		victim_sleep_ms(10);
	}
	return sent;
}

static void drain(int fd, size_t size)
{
	static char buf[BIG];

	SAME(SYS(recv(fd, buf, size, MSG_WAITALL)), size);
	CHECK(memcmp(buf, big, size) == 0);
}

/* Ends of what comes from this port get lost. */
static void lose(int port)
{
	char line[200];

	snprintf(line, sizeof(line),
		 "nft add rule inet lossy output tcp sport %d tcp flags fin drop", port);
	SAME(system(line), 0);
}

static void begin_losing(void)
{
	if (system("nft 'add table inet lossy; add chain inet lossy output { type filter hook output priority 0; }' 2>/dev/null") !=
	    0)
		victim_skip("this kernel has no nftables");
}

static void end_losing(void)
{
	SAME(system("nft delete table inet lossy"), 0);
}

static void set(int fd, int level, int option, int value)
{
	SYS(setsockopt(fd, level, option, &value, sizeof(value)));
}

static void make_all(void)
{
	int port = PORT;

	quiet = pair(port++);
	put(quiet.here, "to be read later");
	put(quiet.there, "that too");
	loaded = pair(port++);
	loaded_sent = stuff(loaded.here);
	put(loaded.there, "against the stream");
	half = pair(port++);
	put(half.here, "the last words");
	SYS(shutdown(half.here, SHUT_WR));
	becomes(half.here, TCP_FIN_WAIT2);
	becomes(half.there, TCP_CLOSE_WAIT);
	reader = pair(port++);
	SYS(shutdown(reader.here, SHUT_RD));
	corked = pair(port++);
	set(corked.here, IPPROTO_TCP, TCP_CORK, 1);
	put(corked.here, "corked");
	offset = pair(port++);
	put(offset.there, "abcdef");
	setsockopt(offset.here, SOL_SOCKET, SO_PEEK_OFF, &(int){ 2 }, sizeof(int));
}

/* An end that nobody gets: FIN_WAIT1, LAST_ACK, CLOSING. */
static void make_lost(void)
{
	begin_losing();
	lose(7200);
	waiting = pair(7200);
	put(waiting.there, "still to come");
	SYS(shutdown(waiting.there, SHUT_WR));
	becomes(waiting.there, TCP_FIN_WAIT1);
	lose(7201);
	last = pair(7201);
	put(last.here, "one");
	SYS(shutdown(last.here, SHUT_WR));
	becomes(last.there, TCP_CLOSE_WAIT);
	put(last.there, "two");
	SYS(shutdown(last.there, SHUT_WR));
	becomes(last.there, TCP_LAST_ACK);
	lose(7202);
	closing = pair(7202);
	closing_sent = stuff(closing.there);
	SYS(shutdown(closing.there, SHUT_WR));
	becomes(closing.there, TCP_FIN_WAIT1);
	lose(7203);
	answered = pair(7203);
	SYS(shutdown(answered.there, SHUT_WR));
	becomes(answered.there, TCP_FIN_WAIT1);
	put(answered.here, "answer");
	SYS(shutdown(answered.here, SHUT_WR));
	becomes(answered.there, TCP_CLOSING);
}

static void check_lost(void)
{
	SAME(state(waiting.there), TCP_FIN_WAIT1);
	SAME(state(last.there), TCP_LAST_ACK);
	SAME(state(answered.there), TCP_CLOSING);
	end_losing();
	get(waiting.here, "still to come");
	ends(waiting.here);
	put(waiting.here, "thanks");
	get(waiting.there, "thanks");
	get(last.there, "one");
	ends(last.there);
	get(last.here, "two");
	ends(last.here);
	drain(closing.here, closing_sent);
	ends(closing.here);
	put(closing.here, "fine");
	get(closing.there, "fine");
	get(answered.there, "answer");
	ends(answered.there);
	ends(answered.here);
}

static void check_all(void)
{
	char buf[8] = "";
	int at = -1;
	socklen_t size = sizeof(at);

	get(quiet.there, "to be read later");
	get(quiet.here, "that too");
	empty(quiet.here);
	empty(quiet.there);
	put(quiet.here, "more");
	get(quiet.there, "more");
	drain(loaded.there, loaded_sent);
	get(loaded.here, "against the stream");
	empty(loaded.there);
	SAME(state(half.here), TCP_FIN_WAIT2);
	SAME(state(half.there), TCP_CLOSE_WAIT);
	get(half.there, "the last words");
	ends(half.there);
	put(half.there, "an answer");
	get(half.here, "an answer");
	SYS(shutdown(half.there, SHUT_WR));
	ends(half.here);
	ends(reader.here);
	put(reader.here, "one way");
	get(reader.there, "one way");
	set(corked.here, IPPROTO_TCP, TCP_CORK, 0);
	get(corked.there, "corked");
	if (getsockopt(offset.here, SOL_SOCKET, SO_PEEK_OFF, &at, &size) == 0 && at >= 0) {
		SAME(at, 2);
		SAME(SYS(recv(offset.here, buf, 2, MSG_PEEK)), 2);
		CHECK(memcmp(buf, "cd", 2) == 0, "it is '%s'", buf);
	}
	get(offset.here, "abcdef");
}

int main(int argc, char **argv)
{
	(void)argv;
	six = argc > 1;
	for (size_t i = 0; i < sizeof(big); i++)
		big[i] = i * 7 + i / 251;
	make_all();
	make_lost();
	fds_note(&before);
	victim_ready();
	fds_check(&before);
	check_all();
	check_lost();
	victim_ok();
}
