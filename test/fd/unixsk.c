/*
 * UNIX sockets without names: pairs of all types within a process and between two, shared and copied; what waits in both
 * directions, with its boundaries; ends that are shut down or gone; options.
 */
#include "test/lib/fds.h"

#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>

enum { BIG = 150000, LONG = 90000 };

static struct fds before;
static int stream[2], dgram[2], seqpacket[2], half[2], with_child[2], large[2], own[2];
static int left, left_dgram, left_seqpacket, refused, alone, reset_end, optioned[2];
static int room; /* of large[0] */
static char big[BIG];

static void pair(int type, int ends[2])
{
	SYS(socketpair(AF_UNIX, type, 0, ends));
}

static void put(int fd, const char *text)
{
	SAME(send(fd, text, strlen(text), MSG_NOSIGNAL), strlen(text));
}

static void get(int fd, const char *text)
{
	char buf[256] = "";

	SAME(SYS(recv(fd, buf, sizeof(buf) - 1, MSG_DONTWAIT)), strlen(text));
	CHECK(strcmp(buf, text) == 0, "fd %d has '%s', not '%s'", fd, buf, text);
}

static void empty(int fd)
{
	char c;

	SAME(recv(fd, &c, 1, MSG_DONTWAIT), -1);
	SAME(errno, EAGAIN);
}

static void end_of(int fd)
{
	char c;

	SAME(SYS(recv(fd, &c, 1, MSG_DONTWAIT)), 0);
}

static void set(int fd, int option, int value)
{
	SYS(setsockopt(fd, SOL_SOCKET, option, &value, sizeof(value)));
}

static void is_set(int fd, int option, int value)
{
	int now = 0;
	socklen_t size = sizeof(now);

	SYS(getsockopt(fd, SOL_SOCKET, option, &now, &size));
	CHECK(now == value, "option %d of fd %d is %d, was %d", option, fd, now, value);
}

static int gone(int type, const char *text)
{
	int ends[2];

	pair(type, ends);
	put(ends[1], text);
	put(ends[1], "last");
	SYS(close(ends[1]));
	return ends[0];
}

static void make_queues(void)
{
	pair(SOCK_STREAM | SOCK_CLOEXEC, stream);
	put(stream[0], "there");
	put(stream[0], " and more");
	put(stream[1], "back");
	pair(SOCK_DGRAM | SOCK_NONBLOCK, dgram);
	put(dgram[0], "one");
	put(dgram[0], "");
	put(dgram[0], "three");
	put(dgram[1], "back");
	pair(SOCK_SEQPACKET, seqpacket);
	put(seqpacket[0], "one");
	put(seqpacket[0], "two");
	put(seqpacket[1], "back");
	pair(SOCK_STREAM, large);
	for (int i = 0; i < BIG; i++)
		big[i] = i * 7 + i / 251;
	set(large[0], SO_SNDBUF, 400000);
	SYS(getsockopt(large[0], SOL_SOCKET, SO_SNDBUF, &room, &(socklen_t){ sizeof(room) }));
	SAME(SYS(send(large[0], big, BIG, MSG_DONTWAIT)), BIG);
	pair(SOCK_DGRAM, own);
	SAME(SYS(send(own[0], big, LONG, MSG_DONTWAIT)), LONG);
	for (int i = 0; i < 30; i++) {
		char c = i;

		SAME(SYS(send(own[0], &c, 1, MSG_DONTWAIT)), 1);
	}
}

static void make_ends(void)
{
	int ends[2];

	left = gone(SOCK_STREAM, "first ");
	left_dgram = gone(SOCK_DGRAM, "first ");
	left_seqpacket = gone(SOCK_SEQPACKET, "first ");
	pair(SOCK_STREAM, half);
	put(half[0], "before");
	SYS(shutdown(half[0], SHUT_WR));
	pair(SOCK_STREAM, ends);
	put(ends[0], "unread");
	put(ends[1], "answer");
	SYS(close(ends[1]));
	reset_end = ends[0];
	pair(SOCK_DGRAM, ends);
	SYS(close(ends[1]));
	refused = ends[0];
	alone = SYS(socket(AF_UNIX, SOCK_STREAM, 0));
}

static void make_options(void)
{
	struct timeval time = { 5, 250000 };
	struct linger linger = { 1, 7 };
	struct f_owner_ex owner = { F_OWNER_PID, getpid() };

	pair(SOCK_STREAM, optioned);
	set(optioned[0], SO_SNDBUF, 30000);
	set(optioned[0], SO_RCVBUF, 40000);
	set(optioned[0], SO_PASSCRED, 1);
	set(optioned[1], SO_PASSSEC, 1);
	set(optioned[0], SO_REUSEADDR, 1);
	set(optioned[1], SO_PRIORITY, 3);
	set(optioned[1], SO_RCVLOWAT, 4);
	set(optioned[0], SO_KEEPALIVE, 1);
	set(optioned[1], SO_BROADCAST, 1);
	set(optioned[1], SO_TIMESTAMP, 1);
	set(optioned[0], SO_PEEK_OFF, 3);
	SYS(setsockopt(optioned[0], SOL_SOCKET, SO_RCVTIMEO, &time, sizeof(time)));
	SYS(setsockopt(optioned[1], SOL_SOCKET, SO_SNDTIMEO, &time, sizeof(time)));
	SYS(setsockopt(optioned[1], SOL_SOCKET, SO_LINGER, &linger, sizeof(linger)));
	SYS(fcntl(optioned[1], F_SETOWN_EX, &owner));
	SYS(fcntl(optioned[1], F_SETSIG, SIGUSR1));
	put(optioned[1], "peeked");
}

static void check_queues(void)
{
	static char all[BIG];

	get(stream[1], "there and more");
	empty(stream[1]);
	get(stream[0], "back");
	put(stream[1], "again");
	get(stream[0], "again");
	get(dgram[1], "one");
	get(dgram[1], "");
	get(dgram[1], "three");
	empty(dgram[1]);
	get(dgram[0], "back");
	put(dgram[0], "again");
	get(dgram[1], "again");
	get(seqpacket[1], "one");
	get(seqpacket[1], "two");
	empty(seqpacket[1]);
	get(seqpacket[0], "back");
	for (int got = 0; got < BIG;)
		got += SYS(recv(large[1], all + got, BIG - got, MSG_DONTWAIT));
	CHECK(memcmp(all, big, BIG) == 0);
	empty(large[1]);
	SAME(SYS(recv(own[1], all, BIG, MSG_DONTWAIT)), LONG);
	CHECK(memcmp(all, big, LONG) == 0);
	for (int i = 0; i < 30; i++) {
		SAME(SYS(recv(own[1], all, BIG, MSG_DONTWAIT)), 1);
		SAME(all[0], i);
	}
	empty(own[1]);
}

static void check_ends(void)
{
	char buf[16];

	get(left, "first last");
	end_of(left);
	SAME(send(left, "x", 1, MSG_NOSIGNAL), -1);
	SAME(errno, EPIPE);
	get(left_dgram, "first ");
	get(left_dgram, "last");
	empty(left_dgram);
	SAME(send(left_dgram, "x", 1, MSG_NOSIGNAL), -1);
	SAME(errno, ECONNREFUSED);
	get(left_seqpacket, "first ");
	get(left_seqpacket, "last");
	end_of(left_seqpacket);
	get(half[1], "before");
	end_of(half[1]);
	put(half[1], "other way");
	get(half[0], "other way");
	SAME(send(half[0], "x", 1, MSG_NOSIGNAL), -1);
	SAME(errno, EPIPE);
	get(reset_end, "answer");
	SAME(recv(reset_end, buf, 1, MSG_DONTWAIT), -1);
	SAME(errno, ECONNRESET);
	SAME(send(refused, "x", 1, MSG_NOSIGNAL), -1);
	SAME(errno, ECONNREFUSED);
	SAME(send(alone, "x", 1, MSG_NOSIGNAL), -1);
	SAME(errno, ENOTCONN);
}

static void check_options(void)
{
	struct timeval time;
	socklen_t size = sizeof(time);
	struct linger linger;
	struct f_owner_ex owner;

	is_set(large[0], SO_SNDBUF, room);
	is_set(optioned[0], SO_SNDBUF, 60000);
	is_set(optioned[0], SO_RCVBUF, 80000);
	is_set(optioned[0], SO_PASSCRED, 1);
	is_set(optioned[1], SO_PASSCRED, 0);
	is_set(optioned[1], SO_PASSSEC, 1);
	is_set(optioned[0], SO_REUSEADDR, 1);
	is_set(optioned[1], SO_PRIORITY, 3);
	is_set(optioned[1], SO_RCVLOWAT, 4);
	is_set(optioned[0], SO_KEEPALIVE, 1);
	is_set(optioned[1], SO_BROADCAST, 1);
	is_set(optioned[1], SO_TIMESTAMP, 1);
	is_set(optioned[0], SO_PEEK_OFF, 3);
	is_set(optioned[1], SO_PEEK_OFF, -1);
	is_set(stream[0], SO_PEEK_OFF, -1);
	SYS(getsockopt(optioned[0], SOL_SOCKET, SO_RCVTIMEO, &time, &size));
	SAME(time.tv_sec, 5);
	CHECK(time.tv_usec >= 250000 && time.tv_usec < 254000);
	SYS(getsockopt(optioned[1], SOL_SOCKET, SO_SNDTIMEO, &time, &size));
	SAME(time.tv_sec, 5);
	size = sizeof(linger);
	SYS(getsockopt(optioned[1], SOL_SOCKET, SO_LINGER, &linger, &size));
	SAME(linger.l_onoff, 1);
	SAME(linger.l_linger, 7);
	SYS(fcntl(optioned[1], F_GETOWN_EX, &owner));
	SAME(owner.pid, getpid());
	SAME(SYS(fcntl(optioned[1], F_GETSIG)), SIGUSR1);
	get(optioned[0], "peeked");
}

static void made_by(int fd, pid_t pid, uid_t uid)
{
	struct ucred who;
	socklen_t size = sizeof(who);

	SYS(getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &who, &size));
	SAME(who.pid, pid);
	SAME(who.uid, uid);
}

int main(void)
{
	int as_user[2];
	pid_t pid;

	make_queues();
	make_ends();
	make_options();
	SYS(syscall(SYS_setresuid, -1, 1234, -1));
	pair(SOCK_STREAM, as_user);
	SYS(syscall(SYS_setresuid, -1, 0, -1));
	pair(SOCK_SEQPACKET, with_child);
	SYS(dup2(stream[0], 100));
	pid = victim_fork();
	if (pid == 0) {
		SYS(close(with_child[0]));
		put(with_child[1], "from the child");
		victim_set();
		victim_wait();
		get(with_child[1], "from the parent");
		made_by(with_child[1], getppid(), 0);
		_exit(0);
	}
	SYS(close(with_child[1]));
	put(with_child[0], "from the parent");
	fds_note(&before);
	victim_ready();
	fds_check(&before);
	check_queues();
	check_ends();
	check_options();
	made_by(stream[0], getpid(), 0);
	made_by(as_user[1], getpid(), 1234);
	get(with_child[0], "from the child");
	victim_reap(pid);
	put(100, "by the copy");
	get(stream[1], "by the copy");
	end_of(with_child[0]);
	victim_ok();
}
