/*
 * Two processes, of which one serves and the other takes over when that is killed; see server.h. They share the table of
 * descriptors, and have each its own memory, so that what the one leaves half done is not in the way of the other.
 */
#include <errno.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "lazy/server.h"
#include "lib/io.h"
#include "lib/log.h"
#include "lib/own.h"
#include "lib/uffd.h"

#define ALL_OF_IT (1UL << 47)

struct kept {
	int *fds;
	size_t count;
	bool failed;
};

static void keep(void *arg, int fd)
{
	struct kept *k = arg;
	struct err e = { 0 };

	if (fd < 0)
		return;
	if (io_grow(&k->fds, k->count, sizeof(fd), &e) < 0)
		k->failed = true;
	else
		k->fds[k->count++] = fd;
}

static int by_number(const void *a, const void *b)
{
	return *(const int *)a - *(const int *)b;
}

void pair_close_others(const struct lazy_server *s)
{
	struct kept k = { 0 };
	int from = 0;

	for (int fd = 0; fd <= 2; fd++)
		keep(&k, fd);
	keep(&k, log_fd());
	keep(&k, s->go);
	keep(&k, s->ready);
	keep(&k, s->mark);
	keep(&k, s->witness);
	keep(&k, s->work_fd);
	for (size_t i = 0; i < s->count; i++)
		keep(&k, s->spaces[i].uffd);
	s->source->descriptors(s->source, keep, &k);
	tether_descriptors(&s->tether, keep, &k);
	if (k.failed)
		return;
	qsort(k.fds, k.count, sizeof(*k.fds), by_number);
	for (size_t i = 0; i < k.count; i++) {
		if (k.fds[i] > from)
			syscall(SYS_close_range, from, k.fds[i] - 1, 0);
		from = k.fds[i] >= from ? k.fds[i] + 1 : from;
	}
	syscall(SYS_close_range, from, ~0U, 0);
	free(k.fds);
}

/* Those that were stopped fault again, and are stopped again if there is still a reason. */
static void wake_all(struct lazy_server *s)
{
	for (size_t i = 0; i < s->count; i++)
		if (s->spaces[i].uffd >= 0)
			uffd_wake(s->spaces[i].uffd, PAGE_SIZE, ALL_OF_IT - PAGE_SIZE);
	for (int i = 0; i < LAZY_STOPPED; i++)
		if (s->shared->stopped[i]) {
			kill(s->shared->stopped[i], SIGCONT);
			s->shared->stopped[i] = 0;
		}
}

/* Returns when it is up to this process. */
static void await_turn(const struct lazy_server *s, int first, unsigned int number)
{
	struct pollfd end = { .fd = first, .events = POLLIN };

	while (poll(&end, 1, -1) < 0 && errno == EINTR)
		;
	if (s->shared->over || s->shared->keeper != number)
		_exit(0);
}

/* What this process knows is as old as it is; the rest is in the journal. */
static _Noreturn void take_over(struct lazy_server *s, int first, unsigned int number)
{
	struct err e = { 0 };

	await_turn(s, first, number);
	if (events_replay(s, &e) < 0) {
		lazy_say(s, &e);
		_exit(1);
	}
	s->go = s->shared->goes ? -1 : s->go;
	s->ready = -1;
	s->look_at = 1;
	s->epoll = s->self = s->second = -1;
	log_warn("the process that brings pages was killed; process %d goes on", getpid());
	wake_all(s);
	lazy_server_run(s);
}

/* A child with a copy of our memory, and our descriptors themselves: its pid. */
static int fork_second(struct lazy_server *s, unsigned int number, struct err *e)
{
	int first = s->self;
	pid_t pid;

	pid = syscall(SYS_clone, CLONE_FILES | SIGCHLD, 0, 0, 0, 0);
	if (pid < 0)
		return err_sys(e, "make a second process");
	if (pid == 0)
		take_over(s, first, number);
	return pid;
}

int pair_renew(struct lazy_server *s, struct err *e)
{
	unsigned int number = s->shared->keeper + 1;
	struct journal *before = s->journal, *journal = journal_new();
	int old = s->second, pid;

	if (!journal)
		return err_sys(e, "memory for a journal");
	prctl(PR_SET_NAME, "stasis-lazy");
	if (s->self < 0)
		s->self = syscall(SYS_pidfd_open, getpid(), 0);
	if (s->self < 0)
		return err_sys(e, "pidfd_open of ourselves");
	s->journal = journal;
	pid = fork_second(s, number, e);
	if (pid < 0) {
		s->journal = before;
		journal_drop(journal);
		return e->code;
	}
	s->used = 0;
	s->second = syscall(SYS_pidfd_open, pid, 0);
	/* From here on it is the new one's turn. */
	__atomic_store_n(&s->shared->keeper, number, __ATOMIC_SEQ_CST);
	journal_drop(before);
	if (old >= 0) {
		syscall(SYS_pidfd_send_signal, old, SIGKILL, NULL, 0);
		close(old);
	}
	return s->epoll < 0 ? 0 : server_watch_second(s, e);
}

void pair_mend(struct lazy_server *s)
{
	struct err e = { 0 };

	log_warn("the process that would take over was killed; there is another one");
	if (pair_renew(s, &e) < 0)
		lazy_say(s, &e);
}
