/*
 * Running the kinds of dump/task. One plan asks everything of the leader; further threads get a small
 * plan each. Several processes are asked at once, and several threads.
 */
#include "dump/ask.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "dump/core.h"
#include "dump/enter.h"
#include "dump/guard.h"
#include "lib/background.h"
#include "lib/log.h"
#include "lib/maps.h"

enum {
	LEADER_ROOM = 2048, /* entries: signal handlers, and two for each POSIX timer */
	THREAD_ROOM = 96,
	BATCH = 32, /* processes, and threads, at once: more would only queue for the processors */
	LEADER_BYTES = 512 << 10,
	THREAD_BYTES = 12 << 10,
};

int ask_outside(struct task *t, struct err *e)
{
	for (size_t k = 0; k < task_kind_count; k++) {
		const struct task_kind *kind = task_kinds[k];

		if (kind->read && kind->read(t, e) < 0)
			return err_on(e, "%s of pid %d", kind->name, t->pid);
		for (size_t i = 0; kind->thread_read && i < t->thread_count; i++)
			if (kind->thread_read(&t->threads[i], e) < 0)
				return err_on(e, "%s of thread %d of pid %d", kind->name,
					      t->threads[i].tid, t->pid);
	}
	return 0;
}

/* Puts the name of the kind in front of an error of its own making. */
static int blame(const struct task_kind *kind, const struct task *t, struct err *e)
{
	return err_on(e, "%s of pid %d", kind->name, t->pid);
}

static int thread_ask(struct thread *th, struct plan *p, void **notes, struct err *e)
{
	for (size_t k = 0; k < task_kind_count; k++)
		if (task_kinds[k]->thread_ask && task_kinds[k]->thread_ask(th, p, &notes[k], e) < 0)
			return blame(task_kinds[k], th->task, e);
	return 0;
}

static int thread_save(struct thread *th, const struct plan *p, void **notes, struct err *e)
{
	for (size_t k = 0; k < task_kind_count; k++)
		if (task_kinds[k]->thread_save &&
		    task_kinds[k]->thread_save(th, p, notes[k], e) < 0)
			return blame(task_kinds[k], th->task, e);
	return 0;
}

static int task_ask(struct task *t, struct plan *p, void **notes, struct err *e)
{
	for (size_t k = 0; k < task_kind_count; k++)
		if (task_kinds[k]->ask && task_kinds[k]->ask(t, p, &notes[k], e) < 0)
			return blame(task_kinds[k], t, e);
	return 0;
}

static int task_save(struct task *t, const struct plan *p, void **notes, struct err *e)
{
	for (size_t k = 0; k < task_kind_count; k++)
		if (task_kinds[k]->save && task_kinds[k]->save(t, p, notes[k], e) < 0)
			return blame(task_kinds[k], t, e);
	return 0;
}

static int prepare(struct task *t, struct err *e)
{
	size_t size = LEADER_BYTES + t->thread_count * THREAD_BYTES;

	return enter_prepare(t, t->thread_count, size, e);
}

struct round {
	struct inject_plan plan[BATCH];
	struct thread *thread[BATCH];
	size_t used[BATCH];		   /* of the arena, before */
	void **task_notes, **thread_notes; /* BATCH times the number of kinds */
	size_t count;
};

static bool is_leader(const struct thread *th)
{
	return th == th->task->threads;
}

static int build(struct round *r, struct thread *th, struct err *e)
{
	size_t n = r->count, notes = n * task_kind_count;
	struct inject_plan *p = &r->plan[n];

	*p = (struct inject_plan){ .i = th->task->injection, .which = th - th->task->threads };
	r->used[n] = p->i->arena.used;
	if (plan_begin(&p->plan, &p->i->arena, is_leader(th) ? LEADER_ROOM : THREAD_ROOM, e) < 0)
		return e->code;
	r->thread[n] = th;
	r->count++;
	if (is_leader(th) && task_ask(th->task, &p->plan, r->task_notes + notes, e) < 0)
		return e->code;
	return thread_ask(th, &p->plan, r->thread_notes + notes, e);
}

static int save(struct round *r, size_t n, struct err *e)
{
	struct thread *th = r->thread[n];
	const struct plan *p = &r->plan[n].plan;
	size_t notes = n * task_kind_count;

	if (plan_outcome(p, e) < 0)
		return err_on(e, "thread %d of pid %d", th->tid, th->task->pid);
	if (is_leader(th) && task_save(th->task, p, r->task_notes + notes, e) < 0)
		return e->code;
	return thread_save(th, p, r->thread_notes + notes, e);
}

static void end_round(struct round *r)
{
	size_t bytes = r->count * task_kind_count * sizeof(void *);

	while (r->count-- > 0) {
		plan_end(&r->plan[r->count].plan);
		r->plan[r->count].i->arena.used = r->used[r->count];
	}
	memset(r->task_notes, 0, bytes);
	memset(r->thread_notes, 0, bytes);
	r->count = 0;
}

static int run_round(struct round *r, struct err *e)
{
	int res = inject_run(r->plan, r->count, e);

	for (size_t n = 0; n < r->count && res == 0; n++)
		res = save(r, n, e);
	end_round(r);
	return res;
}

static int ask_more(struct task *t, struct err *e)
{
	for (size_t k = 0; k < task_kind_count; k++)
		if (task_kinds[k]->inside && task_kinds[k]->inside(t, e) < 0)
			return blame(task_kinds[k], t, e);
	return 0;
}

/* Leaders first: what they do for the whole process is done when the others begin. */
static int ask_all(struct round *r, struct task *const *tasks, size_t count, struct err *e)
{
	for (size_t i = 0; i < count; i++)
		if (build(r, &tasks[i]->threads[0], e) < 0)
			return e->code;
	if (run_round(r, e) < 0)
		return e->code;
	for (size_t i = 0; i < count; i++)
		if (ask_more(tasks[i], e) < 0)
			return e->code;
	for (size_t i = 0; i < count; i++)
		for (size_t k = 1; k < tasks[i]->thread_count; k++)
			if (build(r, &tasks[i]->threads[k], e) < 0 ||
			    (r->count == BATCH && run_round(r, e) < 0))
				return e->code;
	return r->count ? run_round(r, e) : 0;
}

static int ask_inside(struct task *const *tasks, size_t count, struct err *e)
{
	struct round r = { .task_notes = calloc(BATCH * task_kind_count, sizeof(void *)),
			   .thread_notes = calloc(BATCH * task_kind_count, sizeof(void *)) };
	own_mem void **task_notes = r.task_notes, **thread_notes = r.thread_notes;
	int res;

	if (!task_notes || !thread_notes)
		return err_sys(e, "memory for notes");
	res = ask_all(&r, tasks, count, e);
	end_round(&r);
	return res;
}

/* Brings the runner in, asks, and takes it out, whatever the answers. */
static int ask_group(struct task *const *tasks, size_t count, struct err *e)
{
	struct injection *in[BATCH];
	struct err closing = { 0 };
	int r;

	for (size_t k = 0; k < count; k++) {
		if (prepare(tasks[k], e) < 0)
			return e->code;
		in[k] = tasks[k]->injection;
	}
	r = inject_open(in, count, e);
	if (r == 0)
		r = ask_inside(tasks, count, e);
	if (inject_close(in, count, &closing) < 0 && r == 0) {
		*e = closing;
		r = e->code;
	}
	for (size_t k = 0; k < count; k++) {
		tasks[k]->injection = NULL;
		if (r == 0)
			r = background_add(tasks[k]->dump->background, core_save_threads, tasks[k],
					   e);
	}
	return r;
}

int ask_tree(struct dump *d, struct err *e)
{
	struct task *group[BATCH];
	size_t count = 0;

	for (size_t i = 0; i < d->task_count; i++) {
		if (d->tasks[i]->state != TASK_DEAD)
			group[count++] = d->tasks[i];
		if (count < BATCH && i + 1 < d->task_count)
			continue;
		if (ask_group(group, count, e) < 0)
			return e->code;
		count = 0;
	}
	return 0;
}

int ask_finish(struct dump *d, struct err *e)
{
	for (size_t k = 0; k < task_kind_count; k++)
		if (task_kinds[k]->finish && task_kinds[k]->finish(d, e) < 0)
			return err_on(e, "%s", task_kinds[k]->name);
	return 0;
}
