/* A job of a shell, in a terminal from outside: it goes on in the terminal that it is restored in. */
#include "test/lib/fds.h"

#include <sys/ioctl.h>
#include <termios.h>

int main(int argc, char **argv)
{
	struct termios t, was;
	bool own_session = argc > 1 && strcmp(argv[1], "session") == 0;
	int own = -1;
	pid_t pid;

	CHECK(isatty(0) && isatty(1) && isatty(2));
	if (own_session)
		SYS(setsid());
	else
		own = SYS(open("/dev/tty", O_RDWR | O_CLOEXEC));
	SYS(tcgetattr(0, &was));
	was.c_lflag &= ~ECHO;
	was.c_cc[VINTR] = 9;
	SYS(tcsetattr(0, TCSANOW, &was));
	pid = victim_fork();
	if (pid == 0) {
		victim_set();
		victim_wait();
		_exit(write(1, "said by the child\n", 18) == 18 ? 0 : 1);
	}
	victim_ready();
	CHECK(isatty(0) && isatty(1) && isatty(2));
	SYS(tcgetattr(0, &t));
	if (!own_session) {
		SAME(t.c_lflag, was.c_lflag);
		SAME(t.c_cc[VINTR], 9);
		fds_link_is(own, "/dev/tty");
		SAME(SYS(tcgetsid(own)), getsid(0));
		SAME(SYS(tcgetsid(0)), getsid(0));
		CHECK(fds_same(0, 1));
	}
	victim_reap(pid);
	victim_ok();
}
