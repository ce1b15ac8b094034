/*
 * Looking at what lies unread in a pseudo-terminal: it is taken out and put back. A process of its own does that, which
 * goes on to the end when whoever wants to know is killed in the middle; only to kill it itself, within its fraction of a
 * millisecond, would lose the bytes.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/own.h"
#include "lib/pty.h"

/* Well above what the kernel keeps for both directions. */
enum { ROOM = 1 << 20 };

/* What the process has found, in memory that both share. */
struct found {
	bool finished;
	struct err error;
	size_t out_size, in_size;
	char data[]; /* output, then input */
};

/* Errors of taking and of putting back: the first one counts, but the putting back is done in any case. */
static int take_and_put(int master, bool input, struct pty_queues *q, struct err *e)
{
	struct err later = { 0 };
	own_fd slave = ioctl(master, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
	int r;

	if (slave < 0)
		return err_sys(e, "open the other end");
	r = pty_take_output(master, &q->out, e);
	if (r == 0 && input)
		r = pty_take_input(slave, &q->in, e);
	if (pty_put_input(master, &q->in, r < 0 ? &later : e) < 0 && r == 0)
		r = e->code;
	if (pty_put_output(slave, &q->out, r < 0 ? &later : e) < 0 && r == 0)
		r = e->code;
	return r;
}

/* Nobody reaches it by a signal to a group, or by one that was meant for its parent. */
static _Noreturn void look(int master, bool input, struct found *f)
{
	struct pty_queues q = { 0 };
	sigset_t all;

	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, NULL);
	setsid();
	if (take_and_put(master, input, &q, &f->error) == 0 &&
	    sizeof(*f) + q.out.size + q.in.size > ROOM)
		err_code(&f->error, E2BIG, "the terminal holds more than a kernel can");
	if (!f->error.code) {
		f->out_size = q.out.size;
		f->in_size = q.in.size;
		if (q.out.size)
			memcpy(f->data, q.out.data, q.out.size);
		if (q.in.size)
			memcpy(f->data + q.out.size, q.in.data, q.in.size);
	}
	f->finished = true;
	_exit(0);
}

static int keep(struct pty_bytes *b, const char *from, size_t size, struct err *e)
{
	if (!size)
		return 0;
	b->data = malloc(size);
	if (!b->data)
		return err_sys(e, "memory for what was not read");
	memcpy(b->data, from, size);
	b->size = size;
	return 0;
}

static int run_look(int master, bool input, struct found *f, struct err *e)
{
	pid_t pid = fork();

	if (pid < 0)
		return err_sys(e, "fork");
	if (pid == 0)
		look(master, input, f);
	while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		;
	if (!f->finished)
		return err_code(e, EINTR, "the process that looked at the terminal was killed");
	*e = f->error;
	return e->code;
}

int pty_look(int master, bool input, struct pty_queues *ret, struct err *e)
{
	struct found *f =
		mmap(NULL, ROOM, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	int r;

	if (f == MAP_FAILED)
		return err_sys(e, "memory for what was not read");
	r = run_look(master, input, f, e);
	if (r == 0)
		r = keep(&ret->out, f->data, f->out_size, e);
	if (r == 0)
		r = keep(&ret->in, f->data + f->out_size, f->in_size, e);
	munmap(f, ROOM);
	return r;
}
