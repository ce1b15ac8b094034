/* Pseudo-terminals: both ends, settings, size, modes, what is unread, the controlling terminal and its groups. */
#include "test/lib/fds.h"

#include <poll.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <termios.h>

static struct fds before;
static int master, slave, locked, alone, hung_up, raw_master, raw_slave;
static int *state; /* shared: how far the children are */

static int open_slave(int of, int flags)
{
	return SYS(ioctl(of, TIOCGPTPEER, O_RDWR | O_NOCTTY | flags));
}

static int open_master(void)
{
	int fd = SYS(posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC)), unlock = 0;

	SYS(ioctl(fd, TIOCSPTLCK, &unlock));
	return fd;
}

static void put(int fd, const char *text)
{
	SAME(write(fd, text, strlen(text)), strlen(text));
}

static void get(int fd, const char *text)
{
	char buf[256] = "";
	struct pollfd p = { .fd = fd, .events = POLLIN };
	size_t got = 0, size = strlen(text);

	while (got < size && poll(&p, 1, 2000) == 1) {
		ssize_t n = SYS(read(fd, buf + got, size - got));

		got += n;
		if (n == 0)
			break;
	}
	CHECK(got == size && memcmp(buf, text, size) == 0, "'%s' where '%s' was", buf, text);
}

/* A line as a reader gets it: no more than that in one call. */
static void get_line(int fd, const char *text)
{
	char buf[256] = "";
	ssize_t n = SYS(read(fd, buf, sizeof(buf)));

	CHECK(n == (ssize_t)strlen(text) && memcmp(buf, text, n) == 0, "'%s' where '%s' was", buf,
	      text);
}

static void set_size(int fd, int rows, int columns)
{
	struct winsize w = { .ws_row = rows, .ws_col = columns, .ws_xpixel = 3, .ws_ypixel = 4 };

	SYS(ioctl(fd, TIOCSWINSZ, &w));
}

static void set_up(void)
{
	struct termios t;
	int on = 1;

	master = open_master();
	slave = open_slave(master, 0);
	SYS(fcntl(open_slave(master, O_NONBLOCK), F_SETFD, FD_CLOEXEC));
	SYS(open(ptsname(master), O_RDWR | O_NOCTTY | O_CLOEXEC));
	set_size(master, 33, 77);
	SYS(tcgetattr(slave, &t));
	t.c_cc[VINTR] = 7;
	t.c_cc[VERASE] = 'q';
	t.c_lflag &= ~ECHO;
	SYS(tcsetattr(slave, TCSANOW, &t));
	put(slave, "out\nput\n");
	put(master, "line one\nline two\nno e\003nd");

	locked = SYS(posix_openpt(O_RDWR | O_NOCTTY));
	SYS(ioctl(locked, TIOCPKT, &on));
	alone = open_master();
	put(open_slave(alone, 0), "left by");
	SYS(close(alone + 1));
	raw_master = open_master();
	raw_slave = open_slave(raw_master, O_NONBLOCK);
	SYS(tcgetattr(raw_slave, &t));
	cfmakeraw(&t);
	t.c_cc[VMIN] = 50;
	SYS(tcsetattr(raw_slave, TCSANOW, &t));
	put(raw_master, "raw \004\003 bytes");
	SYS(ioctl(raw_slave, TIOCEXCL));
	SYS(fchown(raw_slave, 3, 4));
	SYS(fchmod(raw_slave, 0622));
	hung_up = open_slave(open_master(), 0);
	SYS(close(hung_up - 1));
}

static void check_settings(void)
{
	struct winsize w;
	struct termios t;
	int on;

	SYS(ioctl(slave, TIOCGWINSZ, &w));
	SAME(w.ws_row, 33);
	SAME(w.ws_col, 77);
	SAME(w.ws_xpixel, 3);
	SAME(w.ws_ypixel, 4);
	SYS(tcgetattr(slave, &t));
	SAME(t.c_cc[VINTR], 7);
	SAME(t.c_cc[VERASE], 'q');
	SAME(t.c_lflag & (ECHO | ICANON | ISIG), ICANON | ISIG);
	SYS(ioctl(locked, TIOCGPTLCK, &on));
	SAME(on, 1);
	SYS(ioctl(locked, TIOCGPKT, &on));
	SAME(on, 1);
	SYS(ioctl(master, TIOCGPKT, &on));
	SAME(on, 0);
	SYS(ioctl(raw_slave, TIOCGEXCL, &on));
	SAME(on, 1);
	SYS(tcgetattr(raw_slave, &t));
	SAME(t.c_cc[VMIN], 50);
	SAME(t.c_lflag & (ECHO | ICANON | ISIG), 0);
	SAME(tcgetattr(hung_up, &t), -1);
	SAME(errno, EIO);
}

static void check_queues(void)
{
	struct pollfd p = { .fd = alone };

	get(master, "out\r\nput\r\n");
	get_line(slave, "line one\n");
	get_line(slave, "line two\n");
	put(master, "\n");
	get_line(slave, "no e\003nd\n");
	get_line(raw_slave, "raw \004\003 bytes");
	get(alone, "left by");
	SAME(poll(&p, 1, 0), 1);
	SAME(p.revents & POLLHUP, POLLHUP);
}

/* A session of its own on the pty, with a foreground group that is not the leader's. */
static void session(void)
{
	int own, was;
	pid_t pid;

	SYS(setsid());
	SYS(ioctl(slave, TIOCSCTTY, 0));
	own = SYS(open("/dev/tty", O_RDWR | O_CLOEXEC));
	signal(SIGTTOU, SIG_IGN);
	pid = victim_fork();
	if (pid == 0) {
		SYS(setpgid(0, 0));
		victim_set();
		victim_wait();
		SAME(tcgetpgrp(own), getpid());
		put(own, "from the group");
		_exit(0);
	}
	SYS(tcsetpgrp(own, pid));
	was = fcntl(own, F_GETFL);
	victim_set();
	victim_wait();
	SAME(fcntl(own, F_GETFL), was);
	fds_link_is(own, "/dev/tty");
	SAME(SYS(tcgetsid(slave)), getpid());
	SAME(SYS(tcgetpgrp(own)), pid);
	while (*(volatile int *)state == 0)
		victim_sleep_ms(1);
	victim_reap(pid);
	SYS(close(SYS(open("/dev/tty", O_RDWR))));
	_exit(0);
}

int main(void)
{
	pid_t pid;

	state = victim_shared(sizeof(*state));
	set_up();
	pid = victim_fork();
	if (pid == 0)
		session();
	fds_note(&before);
	victim_ready();
	for (size_t i = 0; i < before.count; i++)
		if (before.at[i].fd == hung_up)
			fds_link(hung_up, before.at[i].link, sizeof(before.at[i].link));
	fds_check(&before);
	check_settings();
	check_queues();
	*state = 1;
	victim_reap(pid);
	get(master, "from the group");
	victim_ok();
}
