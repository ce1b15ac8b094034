/*
 * POSIX message queues. What lies in one can only be taken and put back. As with pseudo-terminals (lib/pty_look.c) a
 * process of its own does that, which goes on to the end when we are killed. Everything it takes lies in memory that we
 * share, and if it is killed instead another one goes on from there: what the kernel had handed over without
 * having been heard of shows by the priority that it has written, and by how much less is in the queue.
 */
#include "lib/mqueue.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/vfs.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "lib/own.h"

#define MQUEUE_MAGIC 0x19800202
#define NO_PRIORITY UINT32_MAX

enum { STATUS_SIZE = 128, TRIES = 10000, HELPERS_MAX = 8 };

bool mqueue_is(int fd, const struct stat *st)
{
	struct statfs fs;

	/* Only file systems without a device are worth the question. */
	return S_ISREG(st->st_mode) && st->st_dev < 1 << 8 && fstatfs(fd, &fs) == 0 &&
	       fs.f_type == MQUEUE_MAGIC;
}

int mqueue_reopen(int fd, int flags, int *ret_fd, struct err *e)
{
	char path[32];
	int again;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	again = open(path, flags | O_CLOEXEC);
	if (again < 0)
		return err_sys(e, "open the queue once more");
	*ret_fd = again;
	return 0;
}

int mqueue_status(int fd, struct mqueue_status *ret, struct err *e)
{
	char text[STATUS_SIZE + 1] = "";
	unsigned long bytes;

	if (pread(fd, text, STATUS_SIZE, 0) < 0)
		return err_sys(e, "read the status of the queue");
	if (sscanf(text, "QSIZE:%lu NOTIFY:%d SIGNO:%*d NOTIFY_PID:%d", &bytes, &ret->notify,
		   &ret->pid) != 3)
		return err_code(e, ENOTSUP, "the status of the queue is not understood: '%s'",
				text);
	ret->bytes = bytes;
	return 0;
}

int mqueue_attributes(int fd, struct mq_attr *ret, struct err *e)
{
	return mq_getattr(fd, ret) < 0 ? err_sys(e, "ask for the attributes of the queue") : 0;
}

static const struct timespec at_once; /* long ago: nothing is waited for */

int mqueue_put(int fd, const void *data, size_t size, uint32_t priority, struct err *e)
{
	for (int i = 0;; i++) {
		if (mq_timedsend(fd, size ? data : "", size, priority, &at_once) == 0)
			return 0;
		/* Somebody else has filled it meanwhile. */
		if ((errno != EAGAIN && errno != ETIMEDOUT && errno != EINTR) || i == TRIES)
			return err_sys(e, "put a message of %zu bytes into the queue", size);
		usleep(1000);
	}
}

/* --- looking ---------------------------------------------------------------------------------- */

/*
 * What was taken and put back so far, in memory that both share. Who is killed may be so between any two steps: 'asked' and
 * 'taken' are written last, and all else follows from them.
 */
struct look {
	int fd;
	bool finished;
	struct err error;
	atomic_bool taken_all;
	atomic_size_t asked; /* for the next message, when it is one more than 'taken' */
	atomic_size_t taken;
	uint64_t before; /* bytes in the queue when the next message was asked for */
	size_t room;
	char messages[];
};

static struct mqueue_message *message_at(struct look *l, size_t number)
{
	struct mqueue_message *m = (struct mqueue_message *)l->messages;

	while (number--)
		m = mqueue_next(m);
	return m;
}

/* 1: there was one. It is not heard of, if we are killed in the call. */
static int take(struct look *l, struct mqueue_message *m, size_t largest)
{
	struct mqueue_status status;
	ssize_t n;

	if (mqueue_status(l->fd, &status, &l->error) < 0)
		return l->error.code;
	if (m->data + largest + 8 > l->messages + l->room)
		return err_code(&l->error, EBUSY, "messages come into the queue meanwhile");
	l->before = status.bytes;
	m->priority = NO_PRIORITY;
	l->asked = l->taken + 1;
	n = mq_timedreceive(l->fd, m->data, largest, &m->priority, &at_once);
	if (n < 0 && (errno == EAGAIN || errno == ETIMEDOUT))
		return 0;
	if (n < 0)
		return err_sys(&l->error, "take a message from the queue");
	m->size = n;
	l->taken++;
	return 1;
}

/* A message that the one before us was given, without having heard of it. */
static int find_unheard(struct look *l)
{
	struct mqueue_message *m = message_at(l, l->taken);
	struct mqueue_status status;

	if (l->taken_all || l->asked != l->taken + 1 || m->priority == NO_PRIORITY)
		return 0;
	if (mqueue_status(l->fd, &status, &l->error) < 0)
		return l->error.code;
	m->size = l->before - status.bytes;
	l->taken++;
	return 0;
}

static int take_all(struct look *l)
{
	struct mqueue_message *m = message_at(l, l->taken);
	struct mq_attr a;
	int r = 1;

	if (mqueue_attributes(l->fd, &a, &l->error) < 0)
		return l->error.code;
	while (r > 0) {
		r = take(l, m, a.mq_msgsize);
		m = mqueue_next(m);
	}
	return r;
}

/* So many are back as there are in the queue, which was empty. */
static int put_all(struct look *l)
{
	struct mq_attr a;

	if (mqueue_attributes(l->fd, &a, &l->error) < 0)
		return l->error.code;
	for (size_t i = a.mq_curmsgs; i < l->taken; i++) {
		struct mqueue_message *m = message_at(l, i);

		if (mqueue_put(l->fd, m->data, m->size, m->priority, &l->error) < 0)
			return l->error.code;
	}
	return 0;
}

/* What was taken is put back, whatever else goes wrong. */
static void take_and_put(struct look *l)
{
	struct err failed = { 0 };

	if (!l->taken_all && find_unheard(l) == 0)
		take_all(l);
	failed = l->error;
	l->taken_all = true;
	if (put_all(l) == 0)
		l->error = failed;
	l->finished = true;
}

/* Nobody reaches it by a signal to a group, or by one that was meant for its parent. */
static _Noreturn void help(struct look *l)
{
	sigset_t all;

	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, NULL);
	setsid();
	take_and_put(l);
	_exit(0);
}

static int run(struct look *l, struct err *e)
{
	for (int i = 0; i < HELPERS_MAX && !l->finished; i++) {
		pid_t pid = fork();

		if (pid < 0 && i == 0)
			return err_sys(e, "fork");
		if (pid == 0)
			help(l);
		while (pid > 0 && waitpid(pid, NULL, 0) < 0 && errno == EINTR)
			;
	}
	if (!l->finished)
		return err_code(e, EINTR, "those who looked at the queue were killed, all of them");
	*e = l->error;
	return e->code;
}

static int keep(struct look *l, struct mqueue_message **ret, size_t *ret_count, size_t *ret_size,
		struct err *e)
{
	size_t size = (char *)message_at(l, l->taken) - l->messages;
	void *copy =
		mmap(NULL, size + 1, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (copy == MAP_FAILED)
		return err_sys(e, "memory for the messages of the queue");
	memcpy(copy, l->messages, size);
	*ret = copy;
	*ret_count = l->taken;
	*ret_size = size;
	return 0;
}

int mqueue_look(int fd, struct mqueue_message **ret, size_t *ret_count, size_t *ret_size,
		struct err *e)
{
	struct mqueue_status status;
	struct mq_attr a;
	struct look *l;
	size_t room, size;
	int r;

	if (mqueue_status(fd, &status, e) < 0 || mqueue_attributes(fd, &a, e) < 0)
		return e->code;
	room = status.bytes + (a.mq_curmsgs + 2) * (sizeof(struct mqueue_message) + 8) +
	       a.mq_msgsize;
	size = sizeof(*l) + room;
	l = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | MAP_POPULATE, -1,
		 0);
	if (l == MAP_FAILED)
		return err_sys(e, "memory for the messages of the queue");
	l->fd = fd;
	l->room = room;
	r = run(l, e);
	if (r == 0)
		r = keep(l, ret, ret_count, ret_size, e);
	munmap(l, size);
	return r;
}
