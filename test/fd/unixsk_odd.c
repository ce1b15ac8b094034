/*
 * UNIX sockets that are refused, or need an option, because not all of what belongs to them is of the tree. Number 3 is always
 * the one that is spoken of.
 */
#include "test/lib/fds.h"

#include <fcntl.h>
#include <signal.h>
#include <stddef.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <sys/un.h>

static int ends[2];

static void nothing(void)
{
}

static void pair(void)
{
	SYS(socketpair(AF_UNIX, SOCK_STREAM, 0, ends));
	SAME(ends[0], 3);
}

static socklen_t named(struct sockaddr_un *at, const char *name)
{
	at->sun_family = AF_UNIX;
	snprintf(at->sun_path, sizeof(at->sun_path), "%s", fds_path(name));
	return sizeof(*at);
}

static int bound(int type, const char *name)
{
	struct sockaddr_un at = { 0 };
	int fd = SYS(socket(AF_UNIX, type, 0));

	SYS(bind(fd, (struct sockaddr *)&at, named(&at, name)));
	return fd;
}

static void join(int fd, const char *name)
{
	struct sockaddr_un at = { 0 };

	SYS(connect(fd, (struct sockaddr *)&at, named(&at, name)));
}

/* A timer is on its way, and nobody has it any more. */
static void rights(void)
{
	union {
		struct cmsghdr head;
		char room[CMSG_SPACE(sizeof(int))];
	} control = { 0 };
	struct iovec io = { "x", 1 };
	struct msghdr m = { .msg_iov = &io,
			    .msg_iovlen = 1,
			    .msg_control = &control,
			    .msg_controllen = sizeof(control) };

	int timer;

	pair();
	control.head.cmsg_level = SOL_SOCKET;
	control.head.cmsg_type = SCM_RIGHTS;
	control.head.cmsg_len = CMSG_LEN(sizeof(int));
	timer = SYS(timerfd_create(CLOCK_MONOTONIC, 0));
	memcpy(CMSG_DATA(&control.head), &timer, sizeof(int));
	SAME(SYS(sendmsg(ends[1], &m, 0)), 1);
	SYS(close(timer));
}

static void check_rights(void)
{
	char room[CMSG_SPACE(sizeof(int))], c;
	struct iovec io = { &c, 1 };
	struct msghdr m = {
		.msg_iov = &io, .msg_iovlen = 1, .msg_control = room, .msg_controllen = sizeof(room)
	};

	SAME(SYS(recvmsg(3, &m, 0)), 1);
	SAME(((struct cmsghdr *)room)->cmsg_type, SCM_RIGHTS);
}

static void urgent(void)
{
	pair();
	SAME(SYS(send(ends[1], "abc", 3, MSG_OOB)), 3);
}

/* Not accepted yet, and something was sent. */
static void early(void)
{
	int fd = bound(SOCK_STREAM, "listening");

	SAME(fd, 3);
	SYS(listen(fd, 3));
	fd = SYS(socket(AF_UNIX, SOCK_STREAM, 0));
	join(fd, "listening");
	SAME(SYS(send(fd, "early", 5, 0)), 5);
}

static void check_early(void)
{
	char buf[8];

	SAME(SYS(recv(SYS(accept(3, NULL, NULL)), buf, sizeof(buf), 0)), 5);
}

/* Whoever connected is gone. */
static void late(void)
{
	int fd;

	early();
	SYS(close(4));
	fd = SYS(accept(3, NULL, NULL));
	SYS(close(fd));
	fd = SYS(socket(AF_UNIX, SOCK_STREAM, 0));
	join(fd, "listening");
	SYS(close(fd));
}

/* A process that is no child of ours, with what this one does in it; returns when it is set up. */
static void outside(void (*work)(void))
{
	int set[2];
	char c;
	pid_t pid;

	SYS(pipe(set));
	pid = SYS(fork());
	if (pid == 0) {
		SYS(setsid());
		if (SYS(fork()) == 0) {
			SYS(close(3));
			work();
			SAME(SYS(write(set[1], "x", 1)), 1);
			pause();
		}
		_exit(0);
	}
	SYS(close(set[1]));
	SAME(SYS(read(set[0], &c, 1)), 1);
	SYS(close(set[0]));
	victim_reap(pid);
}

static void stream_outside(void)
{
	pair();
	SAME(SYS(send(ends[1], "unread", 6, 0)), 6);
	outside(nothing);
	SYS(close(ends[1]));
}

/* It answers. */
static void answer(void)
{
	struct sockaddr_un from;
	socklen_t size = sizeof(from);
	int fd = bound(SOCK_DGRAM, "outside");
	char c;

	if (SYS(fork()) == 0)
		for (;;) {
			size = sizeof(from);
			SYS(recvfrom(fd, &c, 1, 0, (struct sockaddr *)&from, &size));
			SYS(sendto(fd, "pong", 4, 0, (struct sockaddr *)&from, size));
		}
}

static void datagram_outside(void)
{
	int fd = bound(SOCK_DGRAM, "inside");

	SAME(fd, 3);
	outside(answer);
	join(fd, "outside");
}

static void check_datagram(void)
{
	char buf[8];

	SAME(SYS(send(3, "x", 1, 0)), 1);
	SAME(SYS(recv(3, buf, sizeof(buf), 0)), 4);
}

static void check_left(void)
{
	char buf[8];

	SAME(SYS(recv(3, buf, sizeof(buf), 0)), 6);
	SAME(SYS(recv(3, buf, sizeof(buf), MSG_DONTWAIT)), 0);
}

/* What the test has given in place of it. */
static void check_given(void)
{
	char buf[8];

	SAME(SYS(recv(3, buf, sizeof(buf), 0)), 5);
	CHECK(memcmp(buf, "given", 5) == 0);
}

static void renamed(void)
{
	SAME(bound(SOCK_STREAM, "before"), 3);
	SYS(listen(3, 1));
	SYS(rename(fds_path("before"), fds_path("after")));
}

static void listening(void)
{
	SAME(bound(SOCK_STREAM, "listening"), 3);
	SYS(listen(3, 1));
}

static void check_listening(void)
{
	int fd = SYS(socket(AF_UNIX, SOCK_STREAM, 0));

	join(fd, "listening");
	SYS(accept(3, NULL, NULL));
}

static const struct {
	const char *name;
	void (*make)(void), (*check)(void);
} kinds[] = {
	{ "rights", rights, check_rights },	  { "urgent", urgent, nothing },
	{ "early", early, check_early },	  { "late", late, nothing },
	{ "stream", stream_outside, nothing },	  { "left", stream_outside, check_left },
	{ "given", stream_outside, check_given }, { "datagram", datagram_outside, check_datagram },
	{ "renamed", renamed, nothing },	  { "listening", listening, check_listening },
};

int main(int argc, char **argv)
{
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]) && argc > 1; i++)
		if (strcmp(kinds[i].name, argv[1]) == 0) {
			kinds[i].make();
			victim_ready();
			kinds[i].check();
			victim_ok();
		}
	victim_fail(__FILE__, __LINE__, "argv", " no such kind");
}
