/*
 * Ranges that are no mappings: guard regions, which are made when everything else is in place, and the page of
 * vsyscall, which the kernel gives to every process.
 */
#include "restore/memory.h"

#include <sys/mman.h>
#include <sys/syscall.h>

#include "images/vma.h"

#ifndef MADV_GUARD_INSTALL
#define MADV_GUARD_INSTALL 102
#endif

static bool guard_match(const VmaEntry *v)
{
	return v->status & VMA_AREA_GUARD;
}

/* The mapping that a region lies in; mappings come first, sorted. */
static const VmaEntry *mapping_around(const struct rtask *t, const VmaEntry *v)
{
	size_t low = 0, high = t->mm->n_vmas;

	while (low < high) {
		size_t middle = low + (high - low) / 2;
		const VmaEntry *m = t->mm->vmas[middle];

		if (m->status & VMA_AREA_GUARD || m->end > v->start)
			high = middle;
		else
			low = middle + 1;
	}
	return low < t->mm->n_vmas ? t->mm->vmas[low] : v;
}

/* Regions cannot be made in locked memory, but memory can be locked around them; mlock then complains. */
static int guard_after(struct rtask *t, const VmaEntry *v, struct plan *p, struct err *)
{
	bool locked = mapping_around(t, v)->flags & MAP_LOCKED;
	uint64_t size = v->end - v->start;

	if (locked)
		plan_call(p, "unlock memory for guard pages", SYS_munlock, ARG(v->start),
			  ARG(size));
	plan_call(p, plan_words(p, "install guard pages at %lx-%lx", v->start, v->end), SYS_madvise,
		  ARG(v->start), ARG(size), ARG(MADV_GUARD_INSTALL));
	if (locked)
		plan_try(p, "lock memory with guard pages", SYS_mlock, ARG(v->start), ARG(size));
	return 0;
}

const struct vma_restore_kind guard_restore_kind = {
	.name = "mm/guard",
	.match = guard_match,
	.after = guard_after,
};

static bool vsyscall_match(const VmaEntry *v)
{
	return v->status & VMA_AREA_VSYSCALL;
}

const struct vma_restore_kind vsyscall_restore_kind = {
	.name = "mm/vsyscall",
	.match = vsyscall_match,
};
