/*
 * NUMA: the memory policy of each thread and of mappings. A new thread has what its creator has, in the end ours, and
 * a mapping that is taken over by fork has the parent's.
 *
 * On a machine that has none of the nodes memory comes from where it may, as with the processors of task/sched.
 */
#include "restore/mempolicy.h"

#include <linux/mempolicy.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "restore/extra.h"

enum { NODE_BYTES_MAX = 1024 };

static const MempolicyEntry *own(const struct rthread *th)
{
	return th->extra ? th->extra->mempolicy : NULL;
}

/* Nothing to do for nearly everybody. */
static bool anybody_has_one(const struct restore *r)
{
	return r->born.mempolicy;
}

static struct plan_arg nodes_of(const MempolicyEntry *m, struct plan *p)
{
	return m && m->nodes.len ? DATA(p, plan_copy(p, m->nodes.data, m->nodes.len)) : ARG(0);
}

static struct plan_arg node_count(const MempolicyEntry *m)
{
	return ARG(m && m->nodes.len ? 8 * m->nodes.len + 1 : 0);
}

static void set_own(const struct rthread *th, struct plan *p)
{
	const MempolicyEntry *m = own(th);

	plan_try(p, "set the memory policy", SYS_set_mempolicy, ARG(m ? m->mode : MPOL_DEFAULT),
		 nodes_of(m, p), node_count(m));
}

void mempolicy_begin(const struct rtask *t, struct plan *p)
{
	if (anybody_has_one(t->restore))
		set_own(&t->threads[0], p);
}

static const MempolicyEntry *find(const struct rtask *t, uint64_t start)
{
	const ExtraEntry *x = t->threads[0].extra;
	size_t low = 0, high = x ? x->n_vma_mempolicies : 0;

	while (low < high) {
		size_t mid = (low + high) / 2;

		if (x->vma_mempolicies[mid]->start == start)
			return x->vma_mempolicies[mid];
		if (x->vma_mempolicies[mid]->start < start)
			low = mid + 1;
		else
			high = mid;
	}
	return NULL;
}

void mempolicy_bind(const struct rtask *t, const VmaEntry *v, bool inherited, struct plan *p)
{
	const MempolicyEntry *m = find(t, v->start);

	if (!m && !(inherited && find(t->parent, v->start)))
		return;
	plan_try(p, "set the memory policy of a mapping", SYS_mbind, ARG(v->start),
		 ARG(v->end - v->start), ARG(m ? m->mode : MPOL_DEFAULT), nodes_of(m, p),
		 node_count(m), ARG(0));
}

static int mempolicy_thread_state(struct rthread *th, struct plan *p, struct err *e)
{
	(void)e;
	/* The leader has had it since its memory came. */
	if (th != &th->task->threads[0] && anybody_has_one(th->task->restore))
		set_own(th, p);
	return 0;
}

static int check(const struct rthread *th, const MempolicyEntry *m, struct err *e)
{
	if (m->nodes.len % sizeof(long) || m->nodes.len > NODE_BYTES_MAX)
		return err_say(e,
			       "'stasis-extra.img' has a memory policy of thread %d with %zu bytes "
			       "of nodes",
			       th->tid, m->nodes.len);
	return 0;
}

static int load_thread(struct restore *r, const struct rthread *th, struct err *e)
{
	const ExtraEntry *x = th->extra;

	if (!x)
		return 0;
	if (x->mempolicy) {
		r->born.mempolicy = true;
		if (check(th, x->mempolicy, e) < 0)
			return e->code;
	}
	for (size_t i = 0; i < x->n_vma_mempolicies; i++)
		if (check(th, x->vma_mempolicies[i], e) < 0)
			return e->code;
	return 0;
}

static int mempolicy_load(struct restore *r, struct err *e)
{
	int mode = MPOL_DEFAULT;

	syscall(SYS_get_mempolicy, &mode, NULL, 0, NULL, 0);
	r->born.mempolicy = mode != MPOL_DEFAULT;
	for (size_t i = 0; i < r->task_count; i++)
		for (size_t k = 0; k < r->tasks[i]->thread_count; k++)
			if (load_thread(r, &r->tasks[i]->threads[k], e) < 0)
				return e->code;
	return 0;
}

const struct restore_kind mempolicy_restore_kind = {
	.name = "task/mempolicy",
	.load = mempolicy_load,
	.thread_state = mempolicy_thread_state,
};
