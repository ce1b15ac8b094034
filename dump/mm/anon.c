/*
 * Private anonymous memory: heap, stacks, and what mmap(MAP_PRIVATE | MAP_ANONYMOUS) gives.
 *
 * Its flags are read from VmFlags by dump/memory.c: growing down, no reserve, locked, and the advice of
 * madvise. The name that prctl(PR_SET_VMA) gives to a mapping has no place in the images.
 */
#include "dump/memory.h"

#include <string.h>

#include "images/vma.h"

static bool anon_match(const struct task *, const struct vma *v)
{
	return maps_is_anon(v);
}

static int anon_classify(struct task *, struct vma *v, struct err *)
{
	v->status = VMA_AREA_REGULAR | VMA_ANON_PRIVATE;
	if (strcmp(v->name, "[heap]") == 0)
		v->status |= VMA_AREA_HEAP;
	return 0;
}

const struct vma_kind anon_vma_kind = {
	.name = "mm/anon",
	.pages = VMA_PAGES_ANON,
	.match = anon_match,
	.classify = anon_classify,
};

/* MAP_DROPPABLE: the kernel may take its pages away at any time, so whoever uses it reckons with zeros. */
static bool droppable_match(const struct task *, const struct vma *v)
{
	return v->flags & VMA_DP && maps_is_anon(v);
}

const struct vma_kind droppable_vma_kind = {
	.name = "mm/droppable",
	.pages = VMA_PAGES_NONE,
	.match = droppable_match,
	.classify = anon_classify,
};
