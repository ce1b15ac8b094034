/*
 * Running the kinds of dump/task. One plan asks everything of the leader; further threads get a small
 * plan each, several at once.
 */
#include "dump/ask.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "dump/guard.h"
#include "lib/log.h"
#include "lib/maps.h"

enum {
	LEADER_ROOM = 2048, /* entries: signal handlers, and two for each POSIX timer */
	THREAD_ROOM = 96,
	BATCH = 32, /* threads that run at once: more would only queue for the processors */
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

/* The vdso's header if there is one (see inject.h), else the start of some other code. */
static int find_site(const struct task *t, uint64_t *ret, struct err *e)
{
	for (size_t i = 0; i < t->vma_count; i++)
		if (strcmp(t->vmas[i].name, "[vdso]") == 0) {
			*ret = t->vmas[i].start + 8;
			return 0;
		}
	for (size_t i = 0; i < t->vma_count; i++)
		if (t->vmas[i].flags & VMA_EX && strcmp(t->vmas[i].name, "[vsyscall]") != 0) {
			*ret = t->vmas[i].start;
			return 0;
		}
	return err_code(e, ENOTSUP, "pid %d has no executable memory", t->pid);
}

/* The middle of the largest gap below the stack: far from what may want to grow. */
static int find_gap(const struct task *t, size_t size, uint64_t *ret, struct err *e)
{
	uint64_t from = 0x100000, best = 0;

	for (size_t i = 0; i < t->vma_count && t->vmas[i].start < 0x7fff00000000; i++) {
		const struct vma *v = &t->vmas[i];

		if (v->start > from && v->start - from > best) {
			best = v->start - from;
			*ret = (from + best / 2) & ~(PAGE_SIZE - 1);
		}
		if (v->end > from)
			from = v->end;
	}
	if (best < 2 * size)
		return err_code(e, ENOMEM, "pid %d has no gap of %zu bytes in its address space",
				t->pid, 2 * size);
	return 0;
}

static int bring_in(struct task *t, struct err *e)
{
	size_t size = LEADER_BYTES + t->thread_count * THREAD_BYTES;
	struct injection *i;
	uint64_t site = 0, where = 0;

	if (guard_check(t->dump->guard, e) < 0 || find_site(t, &site, e) < 0 ||
	    find_gap(t, size, &where, e) < 0 ||
	    guard_injection(t->dump->guard, t->pid, t->thread_count, &i, e) < 0)
		return e->code;
	for (size_t k = 0; k < t->thread_count; k++)
		i->threads[k] = (struct inject_thread){ .tid = t->threads[k].tid,
							.regs = t->threads[k].regs,
							.mask = t->threads[k].sigmask };
	t->injection = i;
	return inject_open(i, site, where, size, e);
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

/* What is asked of the task and what is asked of each thread, at once. */
static int ask_leader(struct task *t, struct err *e)
{
	own_mem void **notes = calloc(task_kind_count, sizeof(*notes));
	own_mem void **thread_notes = calloc(task_kind_count, sizeof(*thread_notes));
	const uint32_t leader = 0;
	struct plan p;
	int r;

	if (!notes || !thread_notes)
		return err_sys(e, "memory for notes");
	if (plan_begin(&p, &t->injection->arena, LEADER_ROOM, e) < 0)
		return e->code;
	r = task_ask(t, &p, notes, e);
	if (r == 0)
		r = thread_ask(&t->threads[0], &p, thread_notes, e);
	if (r == 0)
		r = inject_run(t->injection, &p, &leader, 1, e);
	if (r == 0 && plan_outcome(&p, e) < 0)
		r = err_on(e, "pid %d", t->pid);
	if (r == 0)
		r = task_save(t, &p, notes, e);
	if (r == 0)
		r = thread_save(&t->threads[0], &p, thread_notes, e);
	plan_end(&p);
	return r;
}

static int ask_more(struct task *t, struct err *e)
{
	for (size_t k = 0; k < task_kind_count; k++)
		if (task_kinds[k]->inside && task_kinds[k]->inside(t, e) < 0)
			return blame(task_kinds[k], t, e);
	return 0;
}

struct thread_plans {
	struct plan plan[BATCH];
	uint32_t which[BATCH];
	void **notes; /* BATCH times the number of kinds */
	size_t count;
};

static int build_thread(struct thread *th, struct thread_plans *b, struct err *e)
{
	size_t n = b->count;

	if (plan_begin(&b->plan[n], &th->task->injection->arena, THREAD_ROOM, e) < 0)
		return e->code;
	b->which[n] = th - th->task->threads;
	b->count++;
	return thread_ask(th, &b->plan[n], b->notes + n * task_kind_count, e);
}

static int save_thread(struct thread *th, const struct plan *p, void **notes, struct err *e)
{
	if (plan_outcome(p, e) < 0)
		return err_on(e, "thread %d of pid %d", th->tid, th->task->pid);
	return thread_save(th, p, notes, e);
}

static int ask_batch(struct task *t, size_t from, struct thread_plans *b, struct err *e)
{
	int r = 0;

	b->count = 0;
	memset(b->notes, 0, BATCH * task_kind_count * sizeof(*b->notes));
	for (size_t i = from; i < t->thread_count && b->count < BATCH && r == 0; i++)
		r = build_thread(&t->threads[i], b, e);
	if (r == 0)
		r = inject_run(t->injection, b->plan, b->which, b->count, e);
	for (size_t n = 0; n < b->count && r == 0; n++)
		r = save_thread(&t->threads[from + n], &b->plan[n], b->notes + n * task_kind_count,
				e);
	for (size_t n = 0; n < b->count; n++)
		plan_end(&b->plan[n]);
	return r;
}

static int ask_further_threads(struct task *t, struct err *e)
{
	struct thread_plans b = { .notes = calloc(BATCH * task_kind_count, sizeof(void *)) };
	own_mem void **notes = b.notes;
	size_t used = t->injection->arena.used;

	if (!notes)
		return err_sys(e, "memory for notes");
	for (size_t from = 1; from < t->thread_count; from += BATCH) {
		if (ask_batch(t, from, &b, e) < 0)
			return e->code;
		t->injection->arena.used = used;
	}
	return 0;
}

int ask_inside(struct task *t, struct err *e)
{
	struct err close_error = { 0 };
	int r = bring_in(t, e);
	size_t used = r == 0 ? t->injection->arena.used : 0;

	if (r == 0)
		r = ask_leader(t, e);
	if (r == 0) {
		t->injection->arena.used = used;
		r = ask_more(t, e);
	}
	if (r == 0)
		r = ask_further_threads(t, e);
	if (t->injection && inject_close(t->injection, &close_error) < 0 && r == 0) {
		*e = close_error;
		r = e->code;
	}
	t->injection = NULL;
	return r;
}

int ask_finish(struct dump *d, struct err *e)
{
	for (size_t k = 0; k < task_kind_count; k++)
		if (task_kinds[k]->finish && task_kinds[k]->finish(d, e) < 0)
			return err_on(e, "%s", task_kinds[k]->name);
	return 0;
}
