/*
 * Bringing a userfaultfd out of each task: the runner makes it, we take it with pidfd_getfd(2), the runner closes it.
 * So it protects the memory of the task, and the task's table of descriptors shows nothing of it.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "dump/arm_device.h"
#include "dump/ask.h"
#include "dump/core.h"
#include "dump/enter.h"
#include "dump/guard.h"
#include "dump/trackers.h"
#include "lib/io.h"
#include "lib/log.h"
#include "lib/uffd.h"
#include "parasite/inject.h"

enum { ARENA_BYTES = 16 << 10, BATCH = 32, ROOM = 2 };

/* A task that is being armed. */
struct arming {
	struct task *task;
	int there; /* number of the descriptor in the task, -1: none */
	int uffd;
};

/* The tree runs on behind the moment: then writers wait, and are not only marked. */
static enum uffd_writes how(const struct dump *d)
{
	return d->runs_on ? UFFD_WRITES_WAIT : UFFD_WRITES_MARK;
}

static int prepare(struct task *t, struct err *e)
{
	struct maps maps;

	core_prepare(t);
	if (ask_outside(t, e) < 0)
		return e->code;
	if (maps_read_brief(t->proc_fd, &t->dump->pool, &maps, e) < 0)
		return err_on(e, "mappings of pid %d", t->pid);
	t->vmas = maps.vmas;
	t->vma_count = maps.count;
	return enter_prepare(t, 1, ARENA_BYTES, e);
}

/* One call in each of the leaders, at once. build: adds the call; take: gets its result. */
static int run_all(struct arming *a, size_t count, void (*build)(struct arming *, struct plan *),
		   void (*take)(struct arming *, long result), struct err *e)
{
	struct inject_plan plans[BATCH];
	size_t n = 0;
	int r = 0;

	for (; n < count && r == 0; n++) {
		plans[n] = (struct inject_plan){ .i = a[n].task->injection };
		r = plan_begin(&plans[n].plan, &plans[n].i->arena, ROOM, e);
		if (r == 0)
			build(&a[n], &plans[n].plan);
	}
	if (r == 0)
		r = inject_run(plans, n, e);
	for (size_t i = 0; i < n; i++) {
		if (r == 0)
			take(&a[i], plan_result(&plans[i].plan, 0));
		plan_end(&plans[i].plan);
	}
	return r;
}

static void build_make(struct arming *a, struct plan *p)
{
	a->task->injection->may_hold_uffd = true;
	plan_try(p, "make a userfaultfd", SYS_userfaultfd, ARG(uffd_flags(how(a->task->dump))));
}

static void take_made(struct arming *a, long result)
{
	if (result < 0)
		log_debug("pid %d: no userfaultfd: %s", a->task->pid, strerror(-result));
	else
		a->there = result;
}

static void build_close(struct arming *a, struct plan *p)
{
	plan_try(p, "close the userfaultfd", SYS_close, ARG(a->there));
}

static void take_closed(struct arming *a, long result)
{
	struct injection *i = a->task->injection;

	i->may_hold_uffd = (a->there >= 0 || i->had) && result < 0;
}

/* A kernel that cannot mark is no error: then there is no track. */
static int fetch(struct arming *a, struct err *e)
{
	struct err why = { 0 };
	own_fd fd = -1;

	if (a->there < 0)
		return 0;
	fd = syscall(SYS_pidfd_getfd, a->task->pidfd, a->there, 0);
	if (fd < 0)
		return err_sys(e, "fetch the userfaultfd of pid %d", a->task->pid);
	if (uffd_begin(fd, how(a->task->dump), &why) < 0)
		log_debug("pid %d: %s", a->task->pid, why.text);
	else
		a->uffd = take_fd(&fd);
	return 0;
}

static int make_tracks(struct dump *d, struct arming *a, size_t count, struct err *e)
{
	for (size_t i = 0; i < count; i++) {
		struct track k = { .pid = a[i].task->pid,
				   .start_time = a[i].task->stat.start_time,
				   .task = a[i].task };

		if (a[i].uffd < 0)
			continue;
		if (proc_open(k.pid, &k.proc_fd, e) < 0)
			return e->code;
		k.uffd = take_fd(&a[i].uffd);
		if (track_add(d, &k, e) < 0) {
			track_close(&k);
			return e->code;
		}
	}
	return 0;
}

/* Not every process may make one that the kernel's writes wait for. */
static int try_device(struct arming *a, struct err *e)
{
	struct err why = { 0 };

	if (a->there >= 0 || how(a->task->dump) != UFFD_WRITES_WAIT)
		return 0;
	if (arm_by_device(a->task, &a->there, &why) == 0)
		return 0;
	log_debug("pid %d: no userfaultfd: %s", a->task->pid, why.text);
	return guard_check(a->task->dump->guard, e);
}

static int inside(struct arming *a, size_t count, struct err *e)
{
	int r = run_all(a, count, build_make, take_made, e);

	for (size_t i = 0; i < count && r == 0; i++)
		r = try_device(&a[i], e);
	for (size_t i = 0; i < count && r == 0; i++)
		r = fetch(&a[i], e);
	return r < 0 ? r : run_all(a, count, build_close, take_closed, e);
}

static int arm_group(struct dump *d, struct arming *a, size_t count, struct err *e)
{
	struct injection *in[BATCH];
	struct err closing = { 0 };
	int r;

	for (size_t i = 0; i < count; i++) {
		if (prepare(a[i].task, e) < 0)
			return e->code;
		in[i] = a[i].task->injection;
	}
	r = inject_open(in, count, e);
	if (r == 0)
		r = inside(a, count, e);
	if (inject_close(in, count, &closing) < 0 && r == 0) {
		*e = closing;
		r = e->code;
	}
	for (size_t i = 0; i < count; i++)
		a[i].task->injection = NULL;
	if (r == 0)
		r = make_tracks(d, a, count, e);
	for (size_t i = 0; i < count; i++)
		own_close(&a[i].uffd);
	return r;
}

int uffd_track_arm(struct dump *d, struct err *e)
{
	struct arming group[BATCH];
	size_t count = 0;

	for (size_t i = 0; i < d->task_count; i++) {
		struct task *t = d->tasks[i];

		/* One with a userfaultfd of its own is left alone: what is protected there is not for us to say. */
		if (t->state != TASK_DEAD && !track_of(d, t) && inject_find_uffd(t->pid) < 0)
			group[count++] = (struct arming){ .task = t, .there = -1, .uffd = -1 };
		if (count == 0 || (count < BATCH && i + 1 < d->task_count))
			continue;
		if (arm_group(d, group, count, e) < 0)
			return e->code;
		count = 0;
	}
	return 0;
}
