/* epoll: watches with their data, one-shot and edge-triggered, by closed numbers, of one file twice, nested, shared with a child. */
#include "test/lib/fds.h"

#include <sys/epoll.h>
#include <sys/eventfd.h>

static struct fds before;
static int ep, outer, event, events[4];

static void watch(int by, int fd, uint32_t mask, uint64_t data)
{
	struct epoll_event e = { .events = mask, .data.u64 = data };

	SYS(epoll_ctl(by, EPOLL_CTL_ADD, fd, &e));
}

static void expect(int by, uint64_t data)
{
	struct epoll_event e;

	SAME(SYS(epoll_wait(by, &e, 1, 5000)), 1);
	CHECK(e.data.u64 == data, "%lx came, not %lx", (long)e.data.u64, (long)data);
}

static void expect_nothing(int by)
{
	struct epoll_event e;

	SAME(SYS(epoll_wait(by, &e, 1, 0)), 0);
}

static void add(int fd)
{
	uint64_t one = 1;

	SAME(write(fd, &one, sizeof(one)), sizeof(one));
}

static void take(int fd)
{
	uint64_t value;

	SAME(read(fd, &value, sizeof(value)), sizeof(value));
}

/* A watch by a number that is closed by now: the file goes on under another one. */
static void set_up(void)
{
	int copy;

	ep = SYS(epoll_create1(EPOLL_CLOEXEC));
	outer = SYS(epoll_create1(0));
	event = SYS(eventfd(0, EFD_NONBLOCK));
	for (int i = 0; i < 4; i++)
		events[i] = SYS(eventfd(0, EFD_NONBLOCK));
	watch(ep, event, EPOLLIN, 0x1122334455667788);
	watch(ep, events[0], EPOLLIN | EPOLLET, 2);
	watch(ep, events[1], EPOLLIN | EPOLLONESHOT, 3);
	copy = SYS(fcntl(events[2], F_DUPFD, 50));
	watch(ep, copy, EPOLLIN | EPOLLONESHOT, 4);
	SYS(close(copy));
	watch(ep, events[2], EPOLLIN | EPOLLONESHOT, 5); /* the same file once more */
	copy = SYS(fcntl(events[3], F_DUPFD, 60));
	watch(ep, copy, EPOLLIN, 6);
	SYS(dup2(event, copy)); /* the number has another file now */
	watch(outer, ep, EPOLLIN, 7);
	add(events[1]); /* fires once */
	expect(ep, 3);
	take(events[1]);
}

static void check_watches(void)
{
	struct epoll_event e[4];

	expect_nothing(ep);
	add(events[1]);
	expect_nothing(ep);
	add(event);
	expect(outer, 7);
	expect(ep, 0x1122334455667788);
	take(event);
	expect_nothing(outer);
	add(events[0]);
	expect(ep, 2);
	expect_nothing(ep); /* an edge is told once */
	add(events[2]);
	SAME(SYS(epoll_wait(ep, e, 4, 5000)), 2);
	SAME(e[0].data.u64 + e[1].data.u64, 9);
	add(events[3]);
	expect(ep, 6);
	take(events[3]);
	SYS(epoll_ctl(ep, EPOLL_CTL_DEL, event, NULL));
	add(event);
	expect_nothing(ep);
}

/* A watch of a file that this process has no descriptor of: it lives on in the child. */
static void foreign(void)
{
	pid_t pid;
	int fd;

	ep = SYS(epoll_create1(EPOLL_CLOEXEC));
	fd = SYS(eventfd(0, 0));
	watch(ep, fd, EPOLLIN, 1);
	pid = victim_fork();
	if (pid == 0) {
		SYS(close(ep));
		victim_set();
		victim_wait();
		_exit(0);
	}
	SYS(close(fd));
	victim_ready();
	victim_reap(pid);
	victim_ok();
}

int main(int argc, char **argv)
{
	pid_t pid;

	(void)argv;
	if (argc > 1)
		foreign();
	set_up();
	pid = victim_fork();
	if (pid == 0) {
		victim_set();
		victim_wait();
		expect(outer, 7);
		_exit(0);
	}
	fds_note(&before);
	victim_ready();
	fds_check(&before);
	add(event);
	victim_reap(pid);
	expect(ep, 0x1122334455667788);
	take(event);
	check_watches();
	victim_ok();
}
