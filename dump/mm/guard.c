/*
 * Guard regions (MADV_GUARD_INSTALL, Linux 6.13): pages of a mapping that fault when touched. They are no mappings
 * of their own; the images list them as ranges behind all that are.
 *
 * Their kernel has to tell where they are (PAGEMAP_SCAN, Linux 6.15). On 6.13 and 6.14 they look like swapped
 * pages, which then cannot be read: the dump fails.
 */
#include "dump/memory.h"

#include <string.h>

#include "images/vma.h"
#include "lib/pagemap.h"

/* No mapping is of this kind. */
static bool guard_match(const struct task *, const struct vma *)
{
	return false;
}

static void add_range(struct task *t, size_t *room, const struct page_range *r)
{
	VmaEntry *m = pool_new(&t->dump->pool, VmaEntry);
	VmaEntry **more;

	if (t->mm->n_vmas == *room) {
		*room = *room * 2 + 16;
		more = pool_array(&t->dump->pool, VmaEntry *, *room);
		memcpy(more, t->mm->vmas, t->mm->n_vmas * sizeof(*more));
		t->mm->vmas = more;
	}
	vma_entry__init(m);
	m->start = r->start;
	m->end = r->end;
	m->status = VMA_AREA_GUARD;
	m->fd = -1;
	t->mm->vmas[t->mm->n_vmas++] = m;
}

static int guard_task(struct task *t, struct err *e)
{
	size_t room = t->mm->n_vmas;
	own_pagemap pm = { .fd = -1 };
	struct page_range r;
	int got;

	for (size_t i = 0; i < t->vma_count; i++) {
		const struct vma *v = &t->vmas[i];

		if (!(v->flags & VMA_GU))
			continue;
		if (!pm.batch && pagemap_open(t->proc_fd, &pm, e) < 0)
			return e->code;
		pagemap_range(&pm, v->start, v->end, PAGEMAP_GUARD);
		while ((got = pagemap_next(&pm, &r, e)) > 0)
			add_range(t, &room, &r);
		if (got < 0)
			return e->code;
	}
	return 0;
}

const struct vma_kind guard_vma_kind = {
	.name = "mm/guard",
	.match = guard_match,
	.task = guard_task,
};
