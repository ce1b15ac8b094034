/*
 * The stages of a restore: one plan for each thread, all running at once, and a barrier behind them.
 */
#include "restore/stages.h"

#include <errno.h>
#include <linux/sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>

#include "restore/files.h"
#include "restore/run.h"

enum { LEADER_ROOM = 1024, THREAD_ROOM = 160, AT_ONCE = 64 };

/* Plans that run at the same time. */
struct batch {
	struct restore *r;
	struct plan *plans;
	size_t count, used; /* used: of the arena, before */
};

static int batch_begin(struct batch *b, struct restore *r, size_t plans, struct err *e)
{
	b->r = r;
	b->count = 0;
	b->used = r->arena.used;
	b->plans = calloc(plans + 1, sizeof(*b->plans));
	return b->plans ? 0 : err_sys(e, "memory for %zu plans", plans);
}

static struct plan *batch_next(struct batch *b, uint32_t room, struct err *e)
{
	struct plan *p = &b->plans[b->count];

	if (plan_begin(p, &b->r->arena, room, e) < 0)
		return NULL;
	b->count++;
	return p;
}

static int batch_start(struct batch *b, int tid, const char *what, struct err *e)
{
	struct plan *p = &b->plans[b->count - 1];

	if (p->wire->count == 0 && !p->full)
		return 0;
	return run_start(b->r, tid, p, pool_format(&b->r->pool, "%s of pid %d", what, tid), e);
}

/* Waits for the plans and gives their memory back. r: how starting them went; those that were started are waited for. */
static int batch_wait(struct batch *b, int r, struct err *e)
{
	struct err later = { 0 };
	int waited = run_wait(b->r, r < 0 ? &later : e);

	for (size_t i = 0; i < b->count; i++)
		plan_end(&b->plans[i]);
	b->count = 0;
	b->r->arena.used = b->used;
	return r < 0 ? r : waited;
}

static int batch_end(struct batch *b, int r, struct err *e)
{
	r = batch_wait(b, r, e);
	free(b->plans);
	return r;
}

static bool lives(const struct rtask *t)
{
	return !t->helper && t->state != 2;
}

typedef int (*task_fn)(struct rtask *t, struct plan *p, struct err *e);
typedef int (*thread_fn)(struct rthread *t, struct plan *p, struct err *e);

static task_fn task_part(const struct restore_kind *k, enum stage s)
{
	return s == STAGE_STATE ? k->task_state : s == STAGE_LATE ? k->task_late : k->task_last;
}

static thread_fn thread_part(const struct restore_kind *k, enum stage s)
{
	return s == STAGE_STATE ? k->thread_state :
	       s == STAGE_LATE	? k->thread_late :
				  k->thread_last;
}

static int build(struct rthread *th, enum stage stage, struct plan *p, struct err *e)
{
	struct rtask *t = th->task;
	bool leader = th == &t->threads[0];

	for (size_t i = 0; i < restore_kind_count; i++) {
		const struct restore_kind *k = restore_kinds[i];
		task_fn task = task_part(k, stage);
		thread_fn thread = thread_part(k, stage);

		if ((leader && task && task(t, p, e) < 0) || (thread && thread(th, p, e) < 0))
			return err_on(e, "%s of thread %d of pid %d", k->name, th->tid, t->pid);
	}
	/* By now everybody has fetched what they need; sharers of a table may both try. */
	if (leader && stage == STAGE_LATE)
		plan_try(p, "close our descriptor", SYS_close, ARG(t->helper_fd));
	return leader && stage == STAGE_LAST ? rfiles_late(t, p, e) : 0;
}

static uint32_t room(const struct rthread *th)
{
	const struct rtask *t = th->task;
	uint32_t n = th == &t->threads[0] ? LEADER_ROOM + rfiles_room(t) : THREAD_ROOM;

	for (size_t i = 0; i < restore_kind_count; i++)
		if (restore_kinds[i]->room)
			n += restore_kinds[i]->room(th);
	return n;
}

static int stage_thread(struct batch *b, struct rthread *th, enum stage stage, struct err *e)
{
	struct plan *p = batch_next(b, room(th), e);

	if (!p || build(th, stage, p, e) < 0 || batch_start(b, th->here, "state", e) < 0)
		return e->code;
	return b->count == AT_ONCE ? batch_wait(b, 0, e) : 0;
}

/* No thread waits for another one here. So they go by turns, in memory that stays in the cache. */
int stage_run(struct restore *r, enum stage stage, struct err *e)
{
	struct batch b;
	int res = batch_begin(&b, r, AT_ONCE, e);

	if (res < 0)
		return res;
	for (size_t i = 0; i < r->task_count; i++) {
		struct rtask *t = r->tasks[i];

		for (size_t k = 0; lives(t) && k < t->thread_count && res == 0; k++)
			res = stage_thread(&b, &t->threads[k], stage, e);
	}
	return batch_end(&b, res, e);
}

int stage_outside(struct restore *r, struct err *e)
{
	for (size_t i = 0; i < r->task_count; i++)
		for (size_t k = 0; lives(r->tasks[i]) && k < restore_kind_count; k++)
			if (restore_kinds[k]->outside &&
			    restore_kinds[k]->outside(r->tasks[i], e) < 0)
				return err_on(e, "%s of pid %d", restore_kinds[k]->name,
					      r->tasks[i]->pid);
	return rfiles_outside(r, e);
}

static int for_files(struct restore *r, int (*add)(struct rtask *, struct plan *, struct err *),
		     struct err *e)
{
	struct batch b;
	int res = batch_begin(&b, r, r->task_count, e);

	if (res < 0)
		return res;
	for (size_t i = 0; i < r->task_count && res == 0; i++) {
		struct rtask *t = r->tasks[i];
		struct plan *p;

		if (!lives(t))
			continue;
		p = batch_next(&b, rfiles_room(t) + 64, e);
		res = p ? add(t, p, e) : e->code;
		if (res == 0)
			res = batch_start(&b, rtask_here(t), "descriptors", e);
	}
	return batch_end(&b, res, e);
}

int stage_files(struct restore *r, struct err *e)
{
	return for_files(r, rfiles_install, e);
}

int stage_files_last(struct restore *r, struct err *e)
{
	return for_files(r, rfiles_install_last, e);
}

int stage_join(struct restore *r, struct err *e)
{
	return for_files(r, rfiles_join, e);
}

static void plan_thread(const struct rthread *th, struct plan *p)
{
	struct clone_args *args = plan_data(p, sizeof(*args));
	pid_t *tid = plan_data(p, sizeof(*tid));

	*tid = th->tid;
	args->flags = CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD |
		      CLONE_SYSVSEM | CLONE_PTRACE;
	args->set_tid = arena_there(p->arena, tid).at;
	args->set_tid_size = 1;
	plan_call(p, plan_words(p, "create thread %d", th->tid), SYS_clone3, DATA(p, args),
		  ARG(sizeof(*args)));
}

int stage_threads(struct restore *r, struct err *e)
{
	struct batch b;
	int res = batch_begin(&b, r, r->task_count, e);

	if (res < 0)
		return res;
	for (size_t i = 0; i < r->task_count && res == 0; i++) {
		struct rtask *t = r->tasks[i];
		struct plan *p;

		if (!lives(t) || t->thread_count == 1)
			continue;
		p = batch_next(&b, t->thread_count, e);
		for (size_t k = 1; p && k < t->thread_count; k++)
			plan_thread(&t->threads[k], p);
		res = p ? batch_start(&b, rtask_here(t), "threads", e) : e->code;
	}
	res = batch_end(&b, res, e);
	for (size_t i = 0; i < r->task_count; i++)
		for (size_t k = 1; k < r->tasks[i]->thread_count && res == 0; k++)
			if (lives(r->tasks[i]))
				res = run_await_birth(r, &r->tasks[i]->threads[k], e);
	return res;
}
