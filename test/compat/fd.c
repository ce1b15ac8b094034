/* Descriptors. */
#include "test/compat/plain.h"

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <sys/wait.h>
#include <termios.h>

enum { HOUR = 3600 };

static int fd[3];
static pid_t child;
static char path[300];

static const char *in_dir(const char *name)
{
	snprintf(path, sizeof(path), "%s/%s", getenv("TEST_DIR"), name);
	return path;
}

static void eventfd_set(void)
{
	fd[0] = SYS(eventfd(7, EFD_NONBLOCK));
	fd[1] = SYS(eventfd(3, EFD_SEMAPHORE));
}

static void eventfd_check(void)
{
	uint64_t n;

	SYS(read(fd[0], &n, sizeof(n)));
	SAME(n, 7);
	SAME(read(fd[0], &n, sizeof(n)), -1);
	SAME(errno, EAGAIN);
	SYS(read(fd[1], &n, sizeof(n)));
}

static void epoll_set(void)
{
	struct epoll_event in = { .events = EPOLLIN | EPOLLET, .data.u64 = 0x123456789abcdef0 };

	SYS(pipe(fd));
	fd[2] = SYS(epoll_create1(EPOLL_CLOEXEC));
	SYS(epoll_ctl(fd[2], EPOLL_CTL_ADD, fd[0], &in));
}

static void epoll_check(void)
{
	struct epoll_event got;

	SAME(epoll_wait(fd[2], &got, 1, 0), 0);
	writes(fd[1], "x");
	SAME(epoll_wait(fd[2], &got, 1, 1000), 1);
	SAME(got.events, EPOLLIN);
	SAME(got.data.u64, 0x123456789abcdef0);
	SAME(epoll_wait(fd[2], &got, 1, 0), 0);
	SYS(epoll_ctl(fd[2], EPOLL_CTL_DEL, fd[0], NULL));
}

/* One end in a child, unread bytes, an end that is gone, one opened again. */
static void pipe_set(void)
{
	SYS(pipe2(fd, O_CLOEXEC));
	writes(fd[1], "unread");
	SYS(fcntl(fd[0], F_SETFL, O_NONBLOCK));
	fd[2] = SYS(open("/proc/self/fd/4", O_WRONLY | O_APPEND));
	SAME(fd[1], 4);
	child = victim_fork();
	if (child == 0) {
		SYS(close(fd[0]));
		victim_set();
		victim_wait();
		writes(fd[1], "from the child");
		_exit(0);
	}
	SYS(fcntl(fd[1], F_SETPIPE_SZ, 1 << 18));
}

static void pipe_check(void)
{
	char byte;

	SAME(fcntl(fd[0], F_GETFL) & (O_ACCMODE | O_NONBLOCK), O_NONBLOCK);
	SAME(fcntl(fd[2], F_GETFL) & O_APPEND, O_APPEND);
	SAME(fcntl(fd[1], F_GETFL) & O_APPEND, 0);
	SAME(SYS(fcntl(fd[0], F_GETFD)), FD_CLOEXEC);
	SAME(fcntl(fd[1], F_GETPIPE_SZ), 1 << 18);
	victim_reap(child);
	reads(fd[0], "unreadfrom the child");
	writes(fd[2], "again");
	reads(fd[0], "again");
	SYS(close(fd[1]));
	SAME(read(fd[0], &byte, 1), -1);
	SAME(errno, EAGAIN);
	SYS(close(fd[2]));
	SAME(SYS(read(fd[0], &byte, 1)), 0);
}

static void fifo_set(void)
{
	SYS(mkfifo(in_dir("fifo"), 0600));
	fd[0] = SYS(open(path, O_RDWR));
	fd[1] = SYS(open(path, O_WRONLY | O_NONBLOCK));
	writes(fd[1], "unread");
}

static void fifo_check(void)
{
	reads(fd[0], "unread");
	writes(fd[1], "more");
	reads(fd[0], "more");
	SAME(fcntl(fd[1], F_GETFL) & (O_ACCMODE | O_NONBLOCK), O_WRONLY | O_NONBLOCK);
}

/* A packet is one read; what does not fit is dropped. */
static void packets_set(void)
{
	SYS(mkfifo(in_dir("packets"), 0600));
	fd[0] = SYS(open(path, O_RDWR));
	SYS(fcntl(fd[0], F_SETFL, O_DIRECT));
}

static void packets_check(void)
{
	SAME(fcntl(fd[0], F_GETFL) & O_DIRECT, O_DIRECT);
	writes(fd[0], "one");
	writes(fd[0], "two");
	reads(fd[0], "one");
	reads(fd[0], "two");
}

static void ghost_set(void)
{
	fd[0] = SYS(open(in_dir("ghost"), O_RDWR | O_CREAT, 0640));
	writes(fd[0], "nameless");
	SAME(SYS(pwrite(fd[0], "far", 3, 100000)), 3);
	SYS(unlink(path));
	SYS(lseek(fd[0], 4, SEEK_SET));
	fd[1] = SYS(open(in_dir("."), O_TMPFILE | O_RDWR, 0600));
	writes(fd[1], "never named");
}

static void ghost_check(void)
{
	char buf[20];

	SAME(SYS(read(fd[0], buf, 4)), 4);
	CHECK(memcmp(buf, "less", 4) == 0);
	SAME(SYS(pread(fd[0], buf, sizeof(buf), 100000)), 3);
	CHECK(memcmp(buf, "far", 3) == 0);
	SAME(access(in_dir("ghost"), F_OK), -1);
	SAME(SYS(pread(fd[1], buf, sizeof(buf), 0)), 11);
	CHECK(memcmp(buf, "never named", 11) == 0);
}

static void fown_set(void)
{
	struct f_owner_ex owner = { F_OWNER_PID, getpid() };

	SYS(pipe(fd));
	SYS(fcntl(fd[0], F_SETOWN_EX, &owner));
	SYS(fcntl(fd[0], F_SETSIG, SIGUSR1));
}

static void fown_check(void)
{
	struct f_owner_ex owner;

	SYS(fcntl(fd[0], F_GETOWN_EX, &owner));
	SAME(owner.type, F_OWNER_PID);
	SAME(owner.pid, getpid());
	SAME(fcntl(fd[0], F_GETSIG), SIGUSR1);
}

static int table_child(void *arg)
{
	while (!*(volatile int *)arg)
		victim_sleep_ms(5);
	return SYS(open("/dev/null", O_RDONLY));
}

/* A table of descriptors that two processes share. */
static void table_set(void)
{
	static char stack[65536] __attribute__((aligned(16)));
	int *go = victim_shared(sizeof(*go));

	child = SYS(clone(table_child, stack + sizeof(stack), CLONE_FILES | SIGCHLD, go));
	*(int **)path = go;
}

static void table_check(void)
{
	int status;

	SAME(syscall(SYS_kcmp, getpid(), child, 2 /* KCMP_FILES */, 0, 0), 0);
	**(int **)path = 1;
	SYS(waitpid(child, &status, 0));
	CHECK(WIFEXITED(status));
	SYS(fcntl(WEXITSTATUS(status), F_GETFD));
}

static void timerfd_set(void)
{
	struct itimerspec t = { { 0, 0 }, { HOUR, 0 } };

	fd[0] = SYS(timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK));
	SYS(timerfd_settime(fd[0], 0, &t, NULL));
	t.it_interval.tv_sec = 5;
	fd[1] = SYS(timerfd_create(CLOCK_BOOTTIME, 0));
	SYS(timerfd_settime(fd[1], 0, &t, NULL));
	t = (struct itimerspec){ { 0, 0 }, { 0, 1 } };
	fd[2] = SYS(timerfd_create(CLOCK_MONOTONIC, 0));
	SYS(timerfd_settime(fd[2], 0, &t, NULL));
	victim_sleep_ms(5);
}

static void timerfd_check(void)
{
	struct itimerspec t;
	uint64_t ticks;

	SYS(timerfd_gettime(fd[0], &t));
	CHECK(t.it_value.tv_sec > HOUR - 60 && t.it_value.tv_sec < HOUR);
	SAME(t.it_interval.tv_sec, 0);
	SYS(timerfd_gettime(fd[1], &t));
	CHECK(t.it_value.tv_sec > HOUR - 60 && t.it_value.tv_sec < HOUR);
	SAME(t.it_interval.tv_sec, 5);
	SYS(read(fd[2], &ticks, sizeof(ticks)));
	SAME(ticks, 1);
}

/* --- terminals ---------------------------------------------------------------------------------- */

static int open_master(void)
{
	int master = SYS(posix_openpt(O_RDWR | O_NOCTTY)), unlock = 0;

	SYS(ioctl(master, TIOCSPTLCK, &unlock));
	return master;
}

/* A session on a pty: its leader, and a group in the foreground. */
static void session(const char *name)
{
	pid_t group;

	SYS(setsid());
	fd[1] = SYS(open(name, O_RDWR)); /* controls from here on */
	signal(SIGTTOU, SIG_IGN);
	group = victim_fork();
	if (group == 0) {
		SYS(setpgid(0, 0));
		victim_set();
		victim_wait();
		writes(fd[1], "from the group\n");
		_exit(0);
	}
	SYS(tcsetpgrp(fd[1], group));
	victim_set();
	victim_wait();
	SAME(SYS(tcgetsid(fd[1])), getpid());
	SAME(SYS(tcgetpgrp(fd[1])), group);
	victim_reap(group);
	SYS(tcsetpgrp(fd[1], getpid()));
	reads(fd[1], "line\n");
	_exit(0);
}

static void tty_set(void)
{
	struct winsize size = { .ws_row = 33, .ws_col = 77 };
	struct termios t;

	fd[0] = open_master();
	SYS(ioctl(fd[0], TIOCSWINSZ, &size));
	child = victim_fork();
	if (child == 0)
		session(ptsname(fd[0]));
	SYS(tcgetattr(fd[0], &t));
	t.c_cc[VINTR] = 7;
	t.c_lflag &= ~ECHO;
	SYS(tcsetattr(fd[0], TCSANOW, &t));
}

static void tty_check(void)
{
	struct winsize size;
	struct termios t;

	SYS(ioctl(fd[0], TIOCGWINSZ, &size));
	SAME(size.ws_row, 33);
	SAME(size.ws_col, 77);
	SYS(tcgetattr(fd[0], &t));
	SAME(t.c_cc[VINTR], 7);
	SAME(t.c_lflag & (ECHO | ICANON), ICANON);
	reads(fd[0], "from the group\r\n");
	writes(fd[0], "line\n");
	victim_reap(child);
}

/* Something to read at both ends; CRIU writes it again, so nothing may be done to it on its way. */
static void unread_set(void)
{
	struct termios t;

	fd[0] = open_master();
	SYS(tcgetattr(fd[0], &t));
	t.c_lflag &= ~ECHO;
	t.c_oflag &= ~OPOST;
	SYS(tcsetattr(fd[0], TCSANOW, &t));
	child = victim_fork();
	if (child == 0) {
		SYS(setsid());
		fd[1] = SYS(open(ptsname(fd[0]), O_RDWR));
		writes(fd[1], "out\n");
		victim_set();
		victim_wait();
		reads(fd[1], "in\n");
		_exit(0);
	}
	writes(fd[0], "in\n");
}

static void unread_check(void)
{
	reads(fd[0], "out\n");
	victim_reap(child);
}

static const struct plain_kind kinds[] = {
	{ "eventfd", eventfd_set, eventfd_check }, { "epoll", epoll_set, epoll_check },
	{ "pipe", pipe_set, pipe_check },	   { "fifo", fifo_set, fifo_check },
	{ "packets", packets_set, packets_check }, { "ghost", ghost_set, ghost_check },
	{ "fown", fown_set, fown_check },	   { "table", table_set, table_check },
	{ "timerfd", timerfd_set, timerfd_check }, { "tty", tty_set, tty_check },
	{ "unread", unread_set, unread_check },
};

int main(int argc, char **argv)
{
	return plain_main(kinds, sizeof(kinds) / sizeof(kinds[0]), argc == 2 ? argv[1] : NULL);
}
