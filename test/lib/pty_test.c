/* Looking at what lies in a pseudo-terminal loses nothing, also when whoever looks is killed in the middle of it. */
#include "lib/pty.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <time.h>

#include "test/lib/unit.h"

static const char written[] = "what nobody has read\r\n", typed[] = "a line\nhalf of";

static int open_pty(int *ret_slave)
{
	int master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
	struct termios t;

	assert(master >= 0 && unlockpt(master) == 0);
	*ret_slave = ioctl(master, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
	assert(*ret_slave >= 0 && tcgetattr(*ret_slave, &t) == 0);
	t.c_lflag &= ~ECHO;
	t.c_oflag &= ~OPOST;
	assert(tcsetattr(*ret_slave, TCSANOW, &t) == 0);
	assert(write(master, typed, strlen(typed)) == (ssize_t)strlen(typed));
	assert(write(*ret_slave, written, strlen(written)) == (ssize_t)strlen(written));
	return master;
}

static bool holds(const struct pty_bytes *b, const char *text)
{
	return b->size == strlen(text) && memcmp(b->data, text, b->size) == 0;
}

static void see_all(int master)
{
	struct pty_queues q = { 0 };
	struct err e = { 0 };

	assert(pty_look(master, true, &q, &e) == 0);
	assert(holds(&q.out, written) && holds(&q.in, typed));
	free(q.out.data);
	free(q.in.data);
}

static void both_directions(void)
{
	int slave, master = open_pty(&slave);
	struct termios was = { 0 }, is = { 0 };

	assert(tcgetattr(slave, &was) == 0);
	see_all(master);
	see_all(master);
	assert(tcgetattr(slave, &is) == 0 && memcmp(&was, &is, sizeof(was)) == 0);
}

static void look_for_ever(int master)
{
	struct pty_queues q = { 0 };
	struct err e = { 0 };

	for (;;)
		if (pty_look(master, true, &q, &e) < 0)
			_exit(1);
}

/* When the last of those who hold the pipe has gone, it has an end. */
static void killed_while_looking(void)
{
	int slave, master = open_pty(&slave);

	for (int round = 0; round < 300; round++) {
		struct timespec pause = { .tv_nsec = 1000L * (100 + round * 7 % 900) };
		int ends[2];
		char c;
		pid_t pid;

		assert(pipe(ends) == 0);
		pid = fork();
		if (pid == 0)
			look_for_ever(master);
		close(ends[1]);
		nanosleep(&pause, NULL);
		assert(kill(pid, SIGKILL) == 0 && waitpid(pid, NULL, 0) == pid);
		assert(read(ends[0], &c, 1) == 0);
		close(ends[0]);
		see_all(master);
	}
}

int main(void)
{
	return unit_run((struct unit[]){ UNIT(both_directions), UNIT(killed_while_looking), {} });
}
