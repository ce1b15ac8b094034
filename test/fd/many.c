/*
 * Ten thousand descriptors: of one file, of many, with gaps, half of them close-on-exec. Or hundreds of UNIX sockets, all watched
 * by an epoll; or thousands of watches of an inotify.
 */
#include <sys/epoll.h>
#include <sys/inotify.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "test/lib/fds.h"

enum { COUNT = 10000, STEP = 3 };

static bool wanted(int i)
{
	return i % STEP != 1;
}

static void check_one(int i)
{
	int fd = 10 + i, flags = fcntl(fd, F_GETFD);

	if (!wanted(i)) {
		CHECK(flags == -1, "fd %d is open", fd);
		return;
	}
	CHECK(flags == (i % 2 ? FD_CLOEXEC : 0), "fd %d: %d", fd, flags);
	if (i % STEP == 0)
		CHECK(lseek(fd, 0, SEEK_CUR) == i, "fd %d is at %ld", fd,
		      (long)lseek(fd, 0, SEEK_CUR));
}

enum { PAIRS = 300, WATCHES = 5000 };

/* Data waits in each, and in the end a connection that was not accepted. */
static void sockets(void)
{
	static int ends[PAIRS][2];
	struct sockaddr_un name = { AF_UNIX, "" };
	int ep = SYS(epoll_create1(0)), listener, late, value;
	struct epoll_event e = { .events = EPOLLIN };

	for (int i = 0; i < PAIRS; i++) {
		SYS(socketpair(AF_UNIX, SOCK_STREAM, 0, ends[i]));
		SAME(write(ends[i][0], &i, sizeof(i)), sizeof(i));
		e.data.u64 = i;
		SYS(epoll_ctl(ep, EPOLL_CTL_ADD, ends[i][1], &e));
	}
	listener = SYS(socket(AF_UNIX, SOCK_STREAM, 0));
	SYS(bind(listener, (void *)&name, sizeof(sa_family_t)));
	SYS(listen(listener, 5));
	value = sizeof(name);
	SYS(getsockname(listener, (void *)&name, (void *)&value));
	late = SYS(socket(AF_UNIX, SOCK_STREAM, 0));
	SYS(connect(late, (void *)&name, value));
	victim_ready();
	for (int i = 0; i < PAIRS; i++) {
		SAME(SYS(epoll_wait(ep, &e, 1, 5000)), 1);
		CHECK(e.data.u64 < PAIRS);
		SAME(SYS(read(ends[e.data.u64][1], &value, sizeof(value))), sizeof(value));
		SAME(value, e.data.u64);
	}
	SAME(SYS(epoll_wait(ep, &e, 1, 0)), 0);
	SYS(accept(listener, NULL, NULL));
	victim_ok();
}

static void watches(void)
{
	int fd = SYS(inotify_init1(IN_NONBLOCK));
	struct inotify_event e;
	char name[32];

	for (int i = 0; i < WATCHES; i++) {
		snprintf(name, sizeof(name), "%d", i);
		SYS(mkdir(fds_path(name), 0700));
		SYS(inotify_add_watch(fd, fds_path(name), IN_ATTRIB));
	}
	victim_ready();
	for (int i = 0; i < WATCHES; i++) {
		snprintf(name, sizeof(name), "%d", i);
		SYS(chmod(fds_path(name), 0701));
		SAME(SYS(read(fd, &e, sizeof(e))), sizeof(e));
		SAME(e.wd, i + 1);
	}
	victim_ok();
}

int main(int argc, char **argv)
{
	if (argc > 1 && strcmp(argv[1], "sockets") == 0)
		sockets();
	if (argc > 1)
		watches();

	struct rlimit limit;
	int file, ends[2];

	SYS(getrlimit(RLIMIT_NOFILE, &limit));
	limit.rlim_cur = limit.rlim_max;
	SYS(setrlimit(RLIMIT_NOFILE, &limit));
	if (limit.rlim_cur < COUNT + 100)
		victim_skip("the limit of open files is too low");
	file = SYS(open(fds_path("file"), O_CREAT | O_RDWR, 0600));
	SYS(ftruncate(file, COUNT));
	SYS(pipe(ends));
	for (int i = 0; i < COUNT; i++) {
		int fd = i % STEP ? ends[i & 1] : SYS(open(fds_path("file"), O_RDONLY));

		if (i % STEP == 0)
			SYS(lseek(fd, i, SEEK_SET));
		if (wanted(i))
			SYS(dup3(fd, 10 + i, i % 2 ? O_CLOEXEC : 0));
		if (i % STEP == 0 && fd != 10 + i)
			SYS(close(fd));
	}
	victim_ready();
	for (int i = 0; i < COUNT; i++)
		check_one(i);
	CHECK(fds_same(12, 12 + 6));
	CHECK(!fds_same(10, 10 + 6));
	victim_ok();
}
