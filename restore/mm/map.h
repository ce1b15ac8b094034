/* What the kinds of mappings have in common: the call that maps, said from a message of the images. */
#ifndef STASIS_RESTORE_MM_MAP_H
#define STASIS_RESTORE_MM_MAP_H

#include <stdbool.h>
#include <sys/mman.h>

#include "restore/memory.h"

#define MAP_DROPPABLE_ 0x8 /* younger than the headers of Debian 12 */

enum { HUGE_SHIFT = 26, HUGE_MASK = 0x3f };

/* The size of huge pages as mmap wants it in its flags; 0 for normal pages. */
static inline uint32_t map_huge_bits(const VmaEntry *v)
{
	uint32_t bits = v->flags & (uint32_t)HUGE_MASK << HUGE_SHIFT;

	if (!(v->flags & MAP_HUGETLB))
		return 0;
	return bits ? bits : 21U << HUGE_SHIFT; /* what x86-64 has by default */
}

/* Entry that maps v from a descriptor (its number in the task), or anonymously with fd ARG(-1). */
void map_entry(const VmaEntry *v, bool fill, struct plan_arg fd, const char *what, struct plan *p);

#endif
