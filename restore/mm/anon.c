/*
 * Private anonymous memory, and the call that all kinds map by. Locking, advice and the final protection are set by
 * restore/memory.c.
 */
#include "restore/memory.h"

#include <sys/mman.h>
#include <sys/syscall.h>

#include "images/vma.h"
#include "restore/mm/map.h"

enum {
	/* mmap's flags that an entry may ask for. */
	KNOWN_FLAGS = MAP_SHARED | MAP_PRIVATE | MAP_DROPPABLE_ | MAP_ANONYMOUS | MAP_GROWSDOWN |
		      MAP_NORESERVE | MAP_HUGETLB,
};

void map_entry(const VmaEntry *v, bool fill, struct plan_arg fd, const char *what, struct plan *p)
{
	uint32_t flags = (v->flags & KNOWN_FLAGS) | map_huge_bits(v) | MAP_FIXED;

	plan_call(p, plan_words(p, "map %lx-%lx, %s", v->start, v->end, what), SYS_mmap,
		  ARG(v->start), ARG(v->end - v->start), ARG(v->prot | (fill ? PROT_WRITE : 0)),
		  ARG(flags), fd, ARG(v->pgoff));
}

static bool anon_match(const VmaEntry *v)
{
	return v->status & VMA_ANON_PRIVATE && v->status & VMA_AREA_REGULAR &&
	       !(v->status & VMA_AREA_SHSTK);
}

static int anon_map(struct rtask *, const VmaEntry *v, bool fill, struct plan *p, struct err *)
{
	map_entry(v, fill, ARG(-1), "anonymous memory", p);
	return 0;
}

const struct vma_restore_kind anon_restore_kind = {
	.name = "mm/anon",
	.match = anon_match,
	.map = anon_map,
	.inherits = true,
};
