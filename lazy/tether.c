/* Ending the tree when nobody is left to serve it; see tether.h. */
#include "lazy/tether.h"

#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/resource.h>
#include <unistd.h>

#include "lib/io.h"
#include "lib/log.h"
#include "lib/own.h"
#include "lib/proc.h"

enum { HIGHEST = 1 << 16 };

/* A number above all that anything else will get. */
static int lift(int fd)
{
	struct rlimit limit;
	int high = HIGHEST;

	if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur <= HIGHEST)
		high = (int)limit.rlim_cur - 1;
	return fcntl(fd, F_DUPFD_CLOEXEC, high);
}

/* number: what the writer is to have, -1: a high one. */
static int make(int number, int *ret_reader, int *ret_writer, struct err *e)
{
	int ends[2], writer;

	if (pipe2(ends, O_CLOEXEC) < 0)
		return err_sys(e, "make a pipe");
	own_fd reader = ends[0];
	own_fd first = ends[1];
	writer = number < 0 ? lift(first) : dup3(first, number, O_CLOEXEC);
	if (writer < 0)
		return err_sys(e, "copy the end of a pipe");
	*ret_writer = writer;
	*ret_reader = take_fd(&reader);
	return 0;
}

int tether_begin(struct tether *t, struct err *e)
{
	int reader[2] = { -1, -1 };

	*t = (struct tether){ .writers = { -1, -1 } };
	if (make(STDIN_FILENO, &reader[0], &t->writers[0], e) < 0 ||
	    make(-1, &reader[1], &t->writers[1], e) < 0)
		return e->code;
	/* They are opened again for each process; pid 0 keeps them. */
	if (io_grow(&t->ends, 0, sizeof(*t->ends), e) < 0)
		return e->code;
	t->ends[t->count++] = (struct tether_end){ 0, { reader[0], reader[1] } };
	return 0;
}

static int tie(int reader, int pid, int *ret, struct err *e)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/self/fd/%d", reader);
	own_fd fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0 || fcntl(fd, F_SETOWN, pid) < 0 || fcntl(fd, F_SETSIG, SIGKILL) < 0 ||
	    fcntl(fd, F_SETFL, O_NONBLOCK | O_ASYNC) < 0)
		return err_sys(e, "tie pid %d to us", pid);
	*ret = take_fd(&fd);
	return 0;
}

int tether_add(struct tether *t, int pid, struct err *e)
{
	struct tether_end end = { pid, { -1, -1 } };

	if (io_grow(&t->ends, t->count, sizeof(end), e) < 0 ||
	    tie(t->ends[0].fds[0], pid, &end.fds[0], e) < 0)
		return e->code;
	if (tie(t->ends[0].fds[1], pid, &end.fds[1], e) < 0) {
		close(end.fds[0]);
		return e->code;
	}
	t->ends[t->count++] = end;
	return 0;
}

static bool knows(const struct tether *t, int pid)
{
	for (size_t i = 1; i < t->count; i++)
		if (t->ends[i].pid == pid && t->ends[i].fds[0] >= 0)
			return true;
	return false;
}

void tether_try(struct tether *t, int pid)
{
	struct err e = { 0 };

	/* Nothing more is lost than this last resort. */
	if (!knows(t, pid) && tether_add(t, pid, &e) < 0)
		log_debug("lazy: %s", e.text);
}

void tether_look(struct tether *t)
{
	for (size_t i = 1; i < t->count; i++) {
		own_pids threads = { 0 }, children = { 0 };
		struct err gone = { 0 };
		own_fd proc = -1;

		if (proc_open(t->ends[i].pid, &proc, &gone) < 0 ||
		    proc_threads(proc, &threads, &gone) < 0 ||
		    proc_children(proc, t->ends[i].pid, &threads, &children, &gone) < 0)
			continue;
		for (size_t k = 0; k < children.count; k++)
			tether_try(t, children.pid[k]);
	}
}

void tether_cut(struct tether *t, int pid)
{
	for (size_t i = 1; i < t->count; i++)
		for (int k = 0; (!pid || t->ends[i].pid == pid) && k < 2; k++) {
			own_close(&t->ends[i].fds[k]);
			t->ends[i].fds[k] = -1;
		}
}

void tether_descriptors(const struct tether *t, void (*add)(void *arg, int fd), void *arg)
{
	for (int k = 0; k < 2; k++)
		add(arg, t->writers[k]);
	for (size_t i = 0; i < t->count; i++)
		for (int k = 0; k < 2; k++)
			add(arg, t->ends[i].fds[k]);
}
