/*
 * Stopping the tree: PTRACE_SEIZE and PTRACE_INTERRUPT on every thread, looking again until nothing new
 * appears. Signals that arrive in between are delivered first.
 *
 * A thread may be where it cannot be stopped: the parent of a vfork waits for its child, and that one may
 * be stopped already. Then everything is let go for a moment and tried again. So it is when the first thread of
 * a process has ended and others have not: that is so for a moment whenever a process ends, or another thread of it
 * calls exec().
 */
#include "dump/freeze.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include "dump/cow.h"
#include "dump/freezer.h"
#include "dump/guard.h"
#include "dump/restart.h"
#include "dump/stand.h"
#include "lib/client.h"
#include "lib/io.h"
#include "lib/log.h"
#include "lib/proc.h"
#include "lib/ptrace.h"

enum { ATTEMPT_MS = 300, ATTEMPTS_MIN = 4, LOOK_MS = 10, ENDING_TRIES = 20 };

static bool known(const struct task *t, int tid)
{
	for (size_t i = 0; i < t->thread_count; i++)
		if (t->threads[i].tid == tid)
			return true;
	return false;
}

/* Large lists are ascending, as threads are born; the common case is that nothing is new. */
static void drop_known(const struct task *t, struct pids *tids)
{
	size_t n = 0;

	for (size_t i = 0; i < tids->count; i++) {
		if (i < t->thread_count && t->threads[i].tid == tids->pid[i])
			continue;
		if (!known(t, tids->pid[i]))
			tids->pid[n++] = tids->pid[i];
	}
	tids->count = n;
}

static void append_threads(struct task *t, const int *tids, size_t count)
{
	size_t had = t->thread_count;
	struct thread *more = pool_array(&t->dump->pool, struct thread, had + count);

	if (had)
		memcpy(more, t->threads, had * sizeof(*more));
	for (size_t i = 0; i < count; i++)
		more[had + i] = (struct thread){ .tid = tids[i], .task = t };
	t->threads = more;
	t->thread_count += count;
}

/* Makes the threads that are not known yet stop, without waiting for it. Returns how many there were. */
static int ask_new(struct attempt *a, struct task *t, struct err *e)
{
	own_pids tids = { 0 };
	size_t asked = 0;
	int r = 0;

	if (proc_threads(t->proc_fd, &tids, e) < 0)
		return e->code;
	drop_known(t, &tids);
	for (size_t i = 0; i < tids.count; i++) {
		r = stand_ask(a, t, tids.pid[i], e);
		if (r < 0 && r != -ESRCH)
			break;
		if (r == 0)
			tids.pid[asked++] = tids.pid[i];
	}
	/* Known from now on, so that they are let go whatever happens next. */
	append_threads(t, tids.pid, asked);
	return r < 0 && r != -ESRCH ? r : (int)asked;
}

static int read_stat(struct task *t, struct err *e)
{
	if (freeze_read_stat(t, e) < 0)
		return e->code;
	if (t->stat.state == 'Z')
		t->state = TASK_DEAD;
	return 0;
}

/* 0: it is dead. 1: another thread of it has called execve(), and lives on as the first. */
static int check_dead(struct task *t, struct err *e)
{
	int r = freeze_await_end(t, e);

	if (r < 0)
		return r;
	if (t->stat.state != 'Z') {
		t->state = TASK_ALIVE;
		return 1;
	}
	if (t->stat.threads <= 1)
		return 0;
	return err_code(e, ENOTSUP,
			"the first thread of pid %d has exited while others live on, which is not "
			"supported",
			t->pid);
}

/* Its threads are asked to stop. */
static int begin_stop(struct attempt *a, struct task *t, struct err *e)
{
	int r;

	t->pidfd = t->proc_fd = -1;
	t->state = TASK_ALIVE;
	if (proc_open(t->pid, &t->proc_fd, e) < 0 || read_stat(t, e) < 0)
		return e->code;
	if (t->state == TASK_DEAD && (r = check_dead(t, e)) <= 0)
		return r;
	t->pidfd = syscall(SYS_pidfd_open, t->pid, 0);
	if (t->pidfd < 0)
		return err_sys(e, "pidfd_open(%d)", t->pid);
	r = ask_new(a, t, e);
	return r < 0 ? r : 0;
}

/* What it is called and whose child it is is read when it stands still, and with that how many threads there are. */
static int finish_stop(struct attempt *a, struct task *t, struct err *e)
{
	int r, fresh = t->state != TASK_DEAD;

	while (fresh > 0) {
		if (stand_await(a, t, e) < 0 || read_stat(t, e) < 0)
			return e->code;
		if (t->state == TASK_DEAD && (r = check_dead(t, e)) <= 0)
			return r;
		if (t->stat.threads == t->thread_count)
			return 0;
		fresh = ask_new(a, t, e);
		if (fresh == 0 && t->thread_count == 0)
			return err_code(e, EAGAIN, "pid %d is about to end", t->pid);
	}
	return fresh;
}

static struct task *find(struct dump *d, int pid)
{
	for (size_t i = 0; i < d->task_count; i++)
		if (d->tasks[i]->pid == pid)
			return d->tasks[i];
	return NULL;
}

static int add_task(struct attempt *a, struct task *parent, int pid, struct err *e)
{
	struct dump *d = a->d;
	struct task *t = pool_new(&d->pool, struct task);

	t->dump = d;
	t->parent = parent;
	t->pid = pid;
	if (io_grow(&d->tasks, d->task_count, sizeof(*d->tasks), e) < 0)
		return e->code;
	d->tasks[d->task_count++] = t;
	return begin_stop(a, t, e);
}

static bool is_gone(int code)
{
	return code == -ESRCH || code == -ENOENT;
}

/* Tasks from number first on have been asked to stop. Those that are gone are taken out. */
static int finish_tasks(struct attempt *a, size_t first, struct err *e)
{
	struct dump *d = a->d;
	size_t n = first;

	for (size_t i = first; i < d->task_count; i++) {
		int r = finish_stop(a, d->tasks[i], e);

		if (r < 0 && !is_gone(r))
			return r;
		if (r < 0)
			freeze_drop(d->tasks[i]);
		else
			d->tasks[n++] = d->tasks[i];
	}
	d->task_count = n;
	return 0;
}

static int find_children(const struct task *t, struct pids *ret, struct err *e)
{
	own_pids threads = { calloc(t->thread_count + 1, sizeof(int)), t->thread_count };

	if (!threads.pid)
		return err_sys(e, "memory for %zu threads", t->thread_count);
	for (size_t i = 0; i < t->thread_count; i++)
		threads.pid[i] = t->threads[i].tid;
	return proc_children(t->proc_fd, t->pid, &threads, ret, e);
}

/* Adds the children that are not known yet. Returns how many. */
static int add_children(struct attempt *a, struct task *t, struct err *e)
{
	struct dump *d = a->d;
	own_pids children = { 0 };
	size_t first = d->task_count;
	int added = 0;

	if (find_children(t, &children, e) < 0)
		return e->code;
	for (size_t i = 0; i < children.count; i++) {
		if (find(d, children.pid[i]))
			continue;
		int r = add_task(a, t, children.pid[i], e);
		if (r < 0 && !is_gone(r))
			return r;
		if (r < 0)
			freeze_drop(d->tasks[--d->task_count]);
		added++;
	}
	return finish_tasks(a, first, e) < 0 ? e->code : added;
}

/* Nobody runs, so nobody is born while they are found; they stop when they are thawed. */
static int ask_frozen(struct attempt *a, struct err *e)
{
	struct dump *d = a->d;

	for (size_t i = 0; i < d->task_count; i++) {
		own_pids children = { 0 };

		if (find_children(d->tasks[i], &children, e) < 0)
			return e->code;
		for (size_t k = 0; k < children.count; k++)
			if (add_task(a, d->tasks[i], children.pid[k], e) < 0)
				return e->code;
	}
	return freezer_thaw(d, e);
}

static int stop_all(struct attempt *a, struct err *e)
{
	struct dump *d = a->d;
	int fresh, r;

	if (freezer_freeze(d, e) < 0 || add_task(a, NULL, d->opt->tree, e) < 0)
		return e->code;
	if (d->freezer && ask_frozen(a, e) < 0)
		return e->code;
	if (finish_stop(a, d->tasks[0], e) < 0 || finish_tasks(a, 1, e) < 0)
		return e->code;
	/* An orphan can come to a task that was looked at already. Threads of a task that stands are not born. */
	do {
		fresh = 0;
		for (size_t i = 0; i < d->task_count; i++) {
			r = add_children(a, d->tasks[i], e);
			if (r < 0)
				return err_on(e, "pid %d", d->tasks[i]->pid);
			fresh += r;
		}
	} while (fresh);
	return 0;
}

/* Preorder: a parent's entry comes before its children's, and a subtree stays together. */
static void put_in_order(struct task *t, struct task **all, size_t count, struct task **out,
			 size_t *n)
{
	out[(*n)++] = t;
	for (size_t i = 0; i < count; i++)
		if (all[i]->parent == t)
			put_in_order(all[i], all, count, out, n);
}

static int order_tasks(struct dump *d, struct err *e)
{
	struct task **out = calloc(d->task_count, sizeof(*out));
	size_t n = 0;

	if (!out)
		return err_sys(e, "memory for %zu tasks", d->task_count);
	/* While the tree was being found, a child may have come to another parent. */
	for (size_t i = 1; i < d->task_count; i++) {
		struct task *p = find(d, d->tasks[i]->stat.ppid);

		if (p)
			d->tasks[i]->parent = p;
	}
	put_in_order(d->tasks[0], d->tasks, d->task_count, out, &n);
	free(d->tasks);
	d->tasks = out;
	d->task_count = n;
	return 0;
}

/* xstate: room for what a thread can have, size bytes. */
static int read_thread(struct thread *th, void *xstate, size_t size, struct err *e)
{
	struct dump *d = th->task->dump;

	if (tracee_get_regs(th->tid, &th->regs, e) < 0 ||
	    tracee_get_xstate(th->tid, xstate, &size, e) < 0 ||
	    tracee_get_mask(th->tid, &th->sigmask, e) < 0)
		return e->code;
	if (restart_mend(th->tid, &th->regs) && tracee_set_regs(th->tid, &th->regs, e) < 0)
		return e->code;
	th->xstate_size = size;
	th->xstate = pool_copy(&d->pool, xstate, size);
	th->core = pool_new(&d->pool, CoreEntry);
	return 0;
}

/* The kernel's own workers for io_uring look like threads of the process, but never come to its code: their registers are 0. */
static bool is_worker(const struct thread *th)
{
	enum { IO_WORKER = 0x10 }; /* PF_IO_WORKER */
	struct err unknown = { 0 };
	struct proc_stat stat;
	own_fd fd = -1;
	char path[32];

	if (th->regs.rip || th->regs.rsp)
		return false;
	snprintf(path, sizeof(path), "task/%d", th->tid);
	fd = openat(th->task->proc_fd, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return fd >= 0 && proc_stat_read(fd, &stat, &unknown) == 0 && stat.flags & IO_WORKER;
}

/* They have nothing to do, or a request is under way, which the ring shows (dump/fd/uring.c). They are made anew as needed. */
static void drop_workers(struct task *t)
{
	size_t n = 0;

	for (size_t i = 0; i < t->thread_count; i++) {
		if (is_worker(&t->threads[i]))
			tracee_detach(t->threads[i].tid, 0);
		else
			t->threads[n++] = t->threads[i];
	}
	t->thread_count = n;
}

static int read_threads(struct dump *d, struct err *e)
{
	size_t size = xstate_size_max();
	own_mem void *xstate = malloc(size);

	if (!xstate)
		return err_sys(e, "memory for registers");
	for (size_t i = 0; i < d->task_count; i++) {
		for (size_t k = 0; k < d->tasks[i]->thread_count; k++)
			if (read_thread(&d->tasks[i]->threads[k], xstate, size, e) < 0)
				return e->code;
		drop_workers(d->tasks[i]);
	}
	return 0;
}

/* A thread that stood has been ended by another one's exec(), which we came too late to stop. */
static int stop_and_read(struct attempt *a, struct err *e)
{
	int r = stop_all(a, e);

	if (r == 0)
		r = order_tasks(a->d, e);
	if (r == 0)
		r = read_threads(a->d, e);
	return r == -ESRCH ? -EAGAIN : r;
}

/* Threads that have ended while they were ours hold up the end, or the exec(), of their process. */
static void reap_all(const struct dump *d)
{
	for (size_t i = 0; i < d->task_count; i++)
		for (size_t k = 0; k < d->tasks[i]->thread_count; k++)
			(void)tracee_reap(d->tasks[i]->threads[k].tid);
}

/* A first thread that has ended, or cannot be seized, may have been replaced the next time. */
static bool is_passing(int code, int *tries)
{
	if (code == -ENOTSUP || code == -EPERM)
		return ++*tries < ENDING_TRIES;
	return code == -EAGAIN;
}

/* Time in which we did not come to look, because nobody ran, or we did not, says nothing about the tree: so a number counts too. */
static bool is_hopeless(const struct dump *d, unsigned attempts, uint64_t took, uint64_t timeout)
{
	return (took > timeout && attempts >= ATTEMPTS_MIN) ||
	       (kill(d->opt->tree, 0) < 0 && errno == ESRCH);
}

/* Nothing has been read so far that the client may not see. */
static int check_client(const struct dump *d, struct err *e)
{
	const struct client *c = d->opt->client;

	for (size_t i = 0; c && c->may_trace && i < d->task_count; i++)
		for (size_t k = 0; k < d->tasks[i]->thread_count; k++)
			if (c->may_trace(c, d->tasks[i]->threads[k].tid, e) < 0)
				return e->code;
	return 0;
}

int freeze_tree(struct dump *d, struct err *e)
{
	uint64_t begin = io_now_us();
	uint64_t timeout = d->opt->timeout ? d->opt->timeout * 1000000ULL : UINT64_MAX / 2;
	struct attempt a = { .d = d };
	uint64_t patience = ATTEMPT_MS * 1000;
	unsigned attempts = 0;
	int r, tries = 0;

	stand_look_every(LOOK_MS);
	for (;;) {
		d->frozen_at = io_now_us();
		a.looks = 0;
		a.deadline = d->frozen_at + patience;
		r = stop_and_read(&a, e);
		if (!is_passing(r, &tries) ||
		    is_hopeless(d, ++attempts, io_now_us() - begin, timeout))
			break;
		log_info("%s; trying again", e->text);
		reap_all(d);
		cow_calm(d);
		freeze_let_go(d);
		usleep(20000);
		/* What waits in the kernel may be waiting for somebody who stands: only letting go helps, and soon. */
		if (a.crowded && patience * 8 < timeout)
			patience *= 2;
		a.crowded = false;
	}
	stand_look_every(0);
	d->opt->dump_stats->freezing_time = io_now_us() - d->frozen_at;
	return r < 0 ? r : check_client(d, e);
}
