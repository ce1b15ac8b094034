/*
 * Which pages a process has written since a moment, from soft-dirty bits: the kernel takes away write access,
 * sets the bit when it gives it back, and nobody has to hold anything meanwhile. x86 kernels have had it since 3.11
 * if built with it; there is one set of bits a process, for everybody who asks.
 *
 * With the process stopped:     soft_dirty_look() with a copy, soft_dirty_clear(), soft_dirty_mark()
 * later, stopped again:         soft_dirty_is_marked(), and soft_dirty_look() with that copy as 'before'
 *
 * The bit alone does not prove that a page is what it was at its address: mremap moves whole page tables (2 MiB)
 * without setting it (seen on 6.1 and 6.12), so the page of another address would pass for the one that was
 * there. So a page is clean only if its frame is the same too, which we see with CAP_SYS_ADMIN; without that,
 * everything counts as written. A page that was swapped in or out, or migrated, counts as written as well.
 *
 * Another one who clears the bits takes them from us. So one page that the process does not write by itself is written
 * by us when we have cleared, with what it holds already: if its bit is gone later, so are others.
 */
#ifndef STASIS_LIB_SOFT_DIRTY_H
#define STASIS_LIB_SOFT_DIRTY_H

#include <stdbool.h>

#include "lib/err.h"
#include "lib/maps.h"
#include "lib/ranges.h"

/* This kernel sets the bits, and shows us the frames of pages. Starts a child and waits for it, the first time. */
bool soft_dirty_works(void);
/*
 * Whether the bits say something of a mapping. Not of pages of hugetlb: they show no bit once it was cleared,
 * written or not. Not of shared memory: others write it too.
 */
bool soft_dirty_tells(const struct vma *v);

/* Two moments that are compared, by files that read like /proc/PID/pagemap. */
struct soft_dirty_moments {
	int before; /* a copy of when the bits were cleared; -1: there is none, and nothing is clean */
	int now;
	int copy;		/* -1, or an empty file: it gets what is 'before' the next time */
	struct ranges *written; /* NULL, or pages that are not what they were, or were not there */
	struct ranges *clean;	/* NULL, or those that are what they were */
};

/* Adds what it finds in [start,end), which has to lie behind what was asked about before. Pages of files do not count. */
must_check int soft_dirty_look(const struct soft_dirty_moments *m, uint64_t start, uint64_t end,
			       struct err *e);
/* Clears the bits of all pages of a process; proc_fd is /proc/PID. */
must_check int soft_dirty_clear(int proc_fd, struct err *e);
/* Writes the page at this address, with what is in it. It is private to the process then. */
must_check int soft_dirty_mark(int proc_fd, uint64_t at, struct err *e);

enum soft_dirty_mark {
	MARK_IS_THERE,
	MARK_IS_CLEARED, /* by somebody else */
	MARK_IS_LOST,	 /* there is no such page any more: it is other memory */
};

enum soft_dirty_mark soft_dirty_is_marked(int pagemap_fd, uint64_t at);

#endif
