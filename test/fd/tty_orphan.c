/*
 * A terminal as a container has it: of a devpts of its own (argument), its master held by somebody outside of the tree. The process
 * that is started is that one; its child is to be saved, and talks with whoever has the master afterwards.
 */
#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <termios.h>

#include "test/lib/victim.h"

static struct termios settings_of(int fd)
{
	struct termios t;

	memset(&t, 0, sizeof(t));
	SYS(tcgetattr(fd, &t));
	return t;
}

static _Noreturn void run(const char *path)
{
	struct winsize size = { .ws_row = 31, .ws_col = 97 }, now;
	struct termios before;
	char line[64];
	int fd;

	SYS(setsid());
	fd = SYS(open(path, O_RDWR));
	SYS(ioctl(fd, TIOCSCTTY, 0));
	for (int i = 0; i < 3; i++)
		SYS(dup2(fd, i));
	SYS(close(fd));
	before = settings_of(0);
	before.c_lflag &= ~ECHO;
	before.c_cc[VERASE] = 'Z';
	SYS(tcsetattr(0, TCSANOW, &before));
	SYS(ioctl(0, TIOCSWINSZ, &size));
	before = settings_of(0);
	victim_ready();
	CHECK(ttyname(0) && strcmp(ttyname(0), path) == 0, "%s", ttyname(0));
	SYS(ioctl(1, TIOCGWINSZ, &now));
	CHECK(memcmp(&now, &size, sizeof(size)) == 0);
	for (int i = 0; i < 3; i++) {
		struct termios t = settings_of(i);

		CHECK(memcmp(&t, &before, sizeof(t)) == 0);
	}
	SAME(tcgetsid(0), getsid(0));
	SAME(tcgetpgrp(0), getpgrp());
	SAME(SYS(open("/dev/tty", O_RDWR)), 3);
	SAME(write(3, "hello\n", 6), 6);
	SAME(read(0, line, sizeof(line)), 7);
	CHECK(memcmp(line, "answer\n", 7) == 0);
	victim_ok();
}

int main(int argc, char **argv)
{
	int master, unlock = 0;
	unsigned int number;
	char path[256];

	CHECK(argc == 2);
	snprintf(path, sizeof(path), "%s/ptmx", argv[1]);
	master = SYS(open(path, O_RDWR | O_NOCTTY));
	SYS(ioctl(master, TIOCSPTLCK, &unlock));
	SYS(ioctl(master, TIOCGPTN, &number));
	snprintf(path, sizeof(path), "%s/%u", argv[1], number);
	if (SYS(fork()) == 0) {
		SYS(close(master));
		run(path);
	}
	/* Both numbers are free when it has been saved. */
	wait(NULL);
	close(master);
	for (;;)
		pause();
}
