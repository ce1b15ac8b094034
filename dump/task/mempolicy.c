/*
 * NUMA: the memory policy of each thread (set_mempolicy) and of mappings (mbind). Only get_mempolicy from inside tells
 * both apart: /proc/PID/numa_maps shows the thread's policy for a mapping that has none.
 *
 * A policy for a part of shared memory belongs to the object; a mapping of it that is not split there is taken to have
 * the policy of its first page throughout. The kernel does not tell home nodes (set_mempolicy_home_node).
 */
#include <linux/mempolicy.h>
#include <sys/syscall.h>

#include "dump/extra.h"
#include "dump/machine.h"
#include "images/vma.h"
#include "lib/maps.h"
#include "parasite/inject.h"

enum {
	FIRST = 256,  /* mappings that are asked about with everything else */
	BATCH = 1024, /* mappings that one further plan asks about */
};

/* One question and its answer. */
struct asked {
	int entry;
	int *mode;
	unsigned long *nodes;
};

static struct asked ask(struct plan *p, const struct machine *m, const struct vma *v)
{
	struct asked a = { .mode = plan_data(p, sizeof(int)),
			   .nodes = plan_data(p, m->node_bytes) };

	a.entry = plan_call(p,
			    v ? "ask for the memory policy of a mapping" :
				"ask for the memory policy",
			    SYS_get_mempolicy, DATA(p, a.mode), DATA(p, a.nodes),
			    ARG(8 * m->node_bytes), ARG(v ? v->start : 0),
			    ARG(v ? MPOL_F_ADDR : 0));
	return a;
}

static void answer(struct dump *d, const struct asked *a, MempolicyEntry *ret)
{
	mempolicy_entry__init(ret);
	ret->mode = *a->mode;
	ret->nodes.len = machine_of(d)->node_bytes;
	ret->nodes.data = pool_copy(&d->pool, a->nodes, ret->nodes.len);
	ret->has_nodes = 1;
}

static int mempolicy_thread_ask(struct thread *th, struct plan *p, void **note, struct err *e)
{
	struct dump *d = th->task->dump;
	struct asked *a;

	(void)e;
	if (!machine_of(d)->node_bytes)
		return 0;
	a = pool_new(&d->pool, struct asked);
	*a = ask(p, machine_of(d), NULL);
	*note = a;
	return 0;
}

static int mempolicy_thread_save(struct thread *th, const struct plan *p, void *note, struct err *e)
{
	struct asked *a = note;

	(void)p;
	(void)e;
	if (!a || *a->mode == MPOL_DEFAULT)
		return 0;
	thread_extra(th)->mempolicy = pool_new(&th->task->dump->pool, MempolicyEntry);
	answer(th->task->dump, a, thread_extra(th)->mempolicy);
	return 0;
}

static void keep(struct task *t, const struct vma *v, const struct asked *a)
{
	ExtraEntry *x = thread_extra(&t->threads[0]);
	MempolicyEntry *m = pool_new(&t->dump->pool, MempolicyEntry);

	if (!x->vma_mempolicies)
		x->vma_mempolicies = pool_array(&t->dump->pool, MempolicyEntry *, t->vma_count);
	answer(t->dump, a, m);
	m->has_start = 1;
	m->start = v->start;
	x->vma_mempolicies[x->n_vma_mempolicies++] = m;
}

/* What the kernel itself has put there has no policy, or is not among its mappings at all. */
static bool may_have_one(const struct vma *v)
{
	return v->status && !(v->status & (VMA_AREA_VSYSCALL | VMA_AREA_VDSO | VMA_AREA_VVAR));
}

/* Number of the first mapping that is asked about in a plan of its own. */
static size_t first_part(const struct task *t)
{
	size_t i = 0, count = 0;

	for (; i < t->vma_count && count < FIRST; i++)
		count += may_have_one(&t->vmas[i]);
	return i;
}

/* Mappings asked about, from number first up to next. */
struct batch {
	size_t count, first, next;
	struct asked *asked; /* count */
	size_t *which;	     /* count: the numbers of the mappings */
};

static void ask_batch(struct task *t, struct plan *p, size_t most, struct batch *b)
{
	size_t left = t->vma_count - b->first;

	if (left < most)
		most = left;
	b->count = 0;
	b->asked = pool_array(&t->dump->pool, struct asked, most);
	b->which = pool_array(&t->dump->pool, size_t, most);
	for (b->next = b->first; b->next < t->vma_count && b->count < most; b->next++)
		if (may_have_one(&t->vmas[b->next])) {
			b->which[b->count] = b->next;
			b->asked[b->count++] = ask(p, machine_of(t->dump), &t->vmas[b->next]);
		}
}

static void save_batch(struct task *t, const struct batch *b)
{
	for (size_t i = 0; i < b->count; i++)
		if (*b->asked[i].mode != MPOL_DEFAULT)
			keep(t, &t->vmas[b->which[i]], &b->asked[i]);
}

/* The first ones are asked about in the plan that asks everything else, which for most programs is all of them. */
static int mempolicy_ask(struct task *t, struct plan *p, void **note, struct err *e)
{
	struct batch *b = pool_new(&t->dump->pool, struct batch);

	(void)e;
	*note = b;
	if (machine_of(t->dump)->node_bytes)
		ask_batch(t, p, FIRST, b);
	return 0;
}

static int mempolicy_save(struct task *t, const struct plan *p, void *note, struct err *e)
{
	(void)p;
	(void)e;
	save_batch(t, note);
	return 0;
}

static int more(struct task *t, struct inject_plan *run, struct batch *b, struct err *e)
{
	ask_batch(t, &run->plan, BATCH, b);
	if (inject_run(run, 1, e) < 0 || plan_outcome(&run->plan, e) < 0)
		return e->code;
	save_batch(t, b);
	b->first = b->next;
	return 0;
}

static int mempolicy_inside(struct task *t, struct err *e)
{
	struct inject_plan run = { .i = t->injection };
	size_t used = t->injection->arena.used;
	struct batch b = { .first = first_part(t) };
	int r = 0;

	while (machine_of(t->dump)->node_bytes && b.first < t->vma_count && r == 0) {
		r = plan_begin(&run.plan, &t->injection->arena, BATCH, e);
		if (r == 0)
			r = more(t, &run, &b, e);
		plan_end(&run.plan);
		t->injection->arena.used = used;
	}
	return r;
}

const struct task_kind mempolicy_task_kind = {
	.name = "task/mempolicy",
	.ask = mempolicy_ask,
	.save = mempolicy_save,
	.inside = mempolicy_inside,
	.thread_ask = mempolicy_thread_ask,
	.thread_save = mempolicy_thread_save,
};
