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

enum { BATCH = 1024 }; /* mappings that one plan asks about */

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

/* Asks about mappings from number from on; what comes back is the number to go on with. */
static int ask_batch(struct task *t, size_t *from, struct err *e)
{
	const struct machine *m = machine_of(t->dump);
	struct asked asked[BATCH];
	size_t which[BATCH], count = 0;
	const uint32_t leader = 0;
	struct plan p;
	int r;

	if (plan_begin(&p, &t->injection->arena, BATCH, e) < 0)
		return e->code;
	for (; *from < t->vma_count && count < BATCH; ++*from)
		if (may_have_one(&t->vmas[*from])) {
			asked[count] = ask(&p, m, &t->vmas[*from]);
			which[count++] = *from;
		}
	r = inject_run(t->injection, &p, &leader, 1, e);
	if (r == 0)
		r = plan_outcome(&p, e);
	for (size_t i = 0; i < count && r == 0; i++)
		if (*asked[i].mode != MPOL_DEFAULT)
			keep(t, &t->vmas[which[i]], &asked[i]);
	plan_end(&p);
	return r;
}

static int mempolicy_inside(struct task *t, struct err *e)
{
	size_t used = t->injection->arena.used, from = 0;

	while (machine_of(t->dump)->node_bytes && from < t->vma_count) {
		if (ask_batch(t, &from, e) < 0)
			return e->code;
		t->injection->arena.used = used;
	}
	return 0;
}

const struct task_kind mempolicy_task_kind = {
	.name = "task/mempolicy",
	.inside = mempolicy_inside,
	.thread_ask = mempolicy_thread_ask,
	.thread_save = mempolicy_thread_save,
};
