/*
 * Memory that was locked by mlock2(MLOCK_ONFAULT): only pages that have been touched are kept in. CRIU's messages say
 * of a mapping that it is locked, not how; this is kept beside them.
 */
#include "dump/extra.h"
#include "dump/memory.h"

/* No mapping is of this kind. */
static bool locked_match(const struct task *, const struct vma *)
{
	return false;
}

static bool is_on_fault(const struct vma *v)
{
	return (v->flags & (VMA_LO | VMA_LF)) == (VMA_LO | VMA_LF) && v->status;
}

static int locked_task(struct task *t, struct err *)
{
	ExtraEntry *x;
	size_t count = 0;

	for (size_t i = 0; i < t->vma_count; i++)
		count += is_on_fault(&t->vmas[i]);
	if (!count)
		return 0;
	x = thread_extra(&t->threads[0]);
	x->locked_on_fault = pool_array(&t->dump->pool, uint64_t, count);
	for (size_t i = 0; i < t->vma_count; i++)
		if (is_on_fault(&t->vmas[i]))
			x->locked_on_fault[x->n_locked_on_fault++] = t->vmas[i].start;
	return 0;
}

const struct vma_kind locked_vma_kind = {
	.name = "mm/locked",
	.match = locked_match,
	.task = locked_task,
};
