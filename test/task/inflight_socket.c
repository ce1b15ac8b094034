/*
 * A thread asleep in a call on a socket. Without a timeout of the socket it goes on as if nothing had happened; with one
 * (SO_RCVTIMEO, SO_SNDTIMEO) it may also return EINTR, as signal(7) says of a stop, and gets what it waited for when it calls
 * again. It must never tell a timeout that has not passed, nor lose what comes.
 */
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/un.h>

#include "test/lib/victim.h"

enum { LONG_S = 600 };

static int ends[2], listening, client, interrupted;
static bool timed;
static struct sockaddr_un name = { .sun_family = AF_UNIX };
static socklen_t name_size;

/* Again after EINTR, which only a timeout allows. */
#define PATIENTLY(call)                                           \
	({                                                        \
		long r_;                                          \
		while ((r_ = (call)) < 0 && errno == EINTR)       \
			interrupted++;                            \
		CHECK(r_ >= 0, "%s: %s", #call, strerror(errno)); \
		r_;                                               \
	})

static void set_time(int fd, int option)
{
	struct timeval time = { LONG_S, 0 };

	if (timed)
		SYS(setsockopt(fd, SOL_SOCKET, option, &time, sizeof(time)));
}

static void make_pair(void)
{
	SYS(socketpair(AF_UNIX, SOCK_STREAM, 0, ends));
	set_time(ends[0], SO_RCVTIMEO);
}

static void make_datagrams(void)
{
	SYS(socketpair(AF_UNIX, SOCK_DGRAM, 0, ends));
	set_time(ends[0], SO_RCVTIMEO);
}

static void call_recv(void)
{
	char buf[16] = "";

	SAME(PATIENTLY(recv(ends[0], buf, sizeof(buf), 0)), 5);
	CHECK(strcmp(buf, "hello") == 0, "it got '%s'", buf);
}

static void call_recvmsg(void)
{
	char buf[16] = "";
	struct iovec io = { buf, sizeof(buf) };
	struct msghdr m = { .msg_iov = &io, .msg_iovlen = 1 };

	SAME(PATIENTLY(recvmsg(ends[0], &m, 0)), 5);
	CHECK(strcmp(buf, "hello") == 0, "it got '%s'", buf);
}

/* Half of it is there already: MSG_WAITALL may end short when it is disturbed, but loses nothing. */
static void make_half(void)
{
	make_pair();
	SAME(SYS(send(ends[1], "he", 2, 0)), 2);
}

static void call_waitall(void)
{
	char buf[6] = "";

	for (int got = 0; got < 5;)
		got += PATIENTLY(recv(ends[0], buf + got, 5 - got, MSG_WAITALL));
	CHECK(strcmp(buf, "hello") == 0, "it got '%s'", buf);
}

static void wake_half(void)
{
	SAME(SYS(send(ends[1], "llo", 3, 0)), 3);
}

static void wake_recv(void)
{
	SAME(SYS(send(ends[1], "hello", 5, 0)), 5);
}

static void make_listening(int backlog)
{
	name_size = sizeof(sa_family_t) + 1 +
		    snprintf(name.sun_path + 1, sizeof(name.sun_path) - 1, "inflight %d", getpid());
	listening = SYS(socket(AF_UNIX, SOCK_STREAM, 0));
	SYS(bind(listening, (struct sockaddr *)&name, name_size));
	SYS(listen(listening, backlog));
}

static void make_accept(void)
{
	make_listening(3);
	set_time(listening, SO_RCVTIMEO);
}

static void call_accept(void)
{
	struct sockaddr_un from;
	socklen_t size = sizeof(from);
	char buf[16] = "";
	int fd = PATIENTLY(accept4(listening, (struct sockaddr *)&from, &size, SOCK_CLOEXEC));

	SAME(size, sizeof(sa_family_t));
	SAME(SYS(recv(fd, buf, sizeof(buf), 0)), 5);
	CHECK(strcmp(buf, "hello") == 0, "it got '%s'", buf);
}

static void wake_accept(void)
{
	int fd = SYS(socket(AF_UNIX, SOCK_STREAM, 0));

	SYS(connect(fd, (struct sockaddr *)&name, name_size));
	SAME(SYS(send(fd, "hello", 5, 0)), 5);
}

/* Nobody more may wait. */
static void make_connect(void)
{
	make_listening(0);
	client = SYS(socket(AF_UNIX, SOCK_STREAM, 0));
	SYS(connect(client, (struct sockaddr *)&name, name_size));
	client = SYS(socket(AF_UNIX, SOCK_STREAM, 0));
	set_time(client, SO_SNDTIMEO);
}

static void call_connect(void)
{
	char buf[16] = "";

	PATIENTLY(connect(client, (struct sockaddr *)&name, name_size));
	SAME(SYS(recv(client, buf, sizeof(buf), 0)), 5);
	CHECK(strcmp(buf, "hello") == 0, "it got '%s'", buf);
}

static void wake_connect(void)
{
	int fd;

	SYS(accept(listening, NULL, NULL));
	fd = SYS(accept(listening, NULL, NULL));
	SAME(SYS(send(fd, "hello", 5, 0)), 5);
}

/* Numbered messages; the last one finds no room. */
static int messages;

static void make_full(void)
{
	make_datagrams();
	set_time(ends[1], SO_SNDTIMEO);
	while (send(ends[1], &messages, sizeof(messages), MSG_DONTWAIT) > 0)
		messages++;
	SAME(errno, EAGAIN);
}

static void call_send(void)
{
	SAME(PATIENTLY(send(ends[1], &messages, sizeof(messages), 0)), sizeof(messages));
}

static void wake_send(void)
{
	for (int i = 0, got; i <= messages; i++) {
		SAME(SYS(recv(ends[0], &got, sizeof(got), 0)), sizeof(got));
		SAME(got, i);
	}
}

static const struct {
	const char *name;
	long nr;
	void (*make)(void), (*call)(void), (*wake)(void);
} calls[] = {
	{ "accept", SYS_accept4, make_accept, call_accept, wake_accept },
	{ "recv", SYS_recvfrom, make_pair, call_recv, wake_recv },
	{ "recvmsg", SYS_recvmsg, make_datagrams, call_recvmsg, wake_recv },
	{ "waitall", SYS_recvfrom, make_half, call_waitall, wake_half },
	{ "connect", SYS_connect, make_connect, call_connect, wake_connect },
	{ "send", SYS_sendto, make_full, call_send, wake_send },
};

static void *thread(void *arg)
{
	victim_set();
	((void (*)(void))arg)();
	return NULL;
}

int main(int argc, char **argv)
{
	timed = argc > 2;
	for (size_t i = 0; argc > 1 && i < sizeof(calls) / sizeof(calls[0]); i++) {
		pid_t sleeper;

		if (strcmp(calls[i].name, argv[1]) != 0)
			continue;
		calls[i].make();
		sleeper = victim_thread(thread, calls[i].call);
		victim_blocked(sleeper, calls[i].nr);
		victim_ready();
		/* It must be asleep again by itself, if it was woken at all. */
		victim_sleep_ms(50);
		victim_blocked(sleeper, calls[i].nr);
		calls[i].wake();
		victim_join();
		CHECK(timed || !interrupted, "it was interrupted %d times", interrupted);
		victim_ok();
	}
	victim_fail(__FILE__, __LINE__, "argv", " no such call");
}
