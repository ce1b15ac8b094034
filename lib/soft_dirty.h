/*
 * Which pages a process has written since a moment, from soft-dirty bits: the kernel takes away write access,
 * sets the bit when it gives it back, and nobody has to hold anything meanwhile. x86 kernels have had it since 3.11
 * if built with it; there is one set of bits a process, for everybody who asks.
 *
 * With the process stopped:     pagemap_words() for each mapping that soft_dirty_tells(), then soft_dirty_clear()
 * later, stopped again:         pagemap_range(..., PAGEMAP_SOFT_DIRTY), pagemap_since(), pagemap_next()
 *
 * The bit alone does not prove that a page is what it was at its address: mremap moves whole page tables (2 MiB)
 * without setting it (seen on 6.1 and 6.12), so the page of another address would pass for the one that was
 * there. So a page is clean only if its frame is the same too, which we see with CAP_SYS_ADMIN; without that,
 * everything counts as written. A page that was swapped in or out, or migrated, counts as written as well.
 */
#ifndef STASIS_LIB_SOFT_DIRTY_H
#define STASIS_LIB_SOFT_DIRTY_H

#include <stdbool.h>

#include "lib/err.h"
#include "lib/maps.h"

/* This kernel sets the bits. Starts a child and waits for it, the first time. */
bool soft_dirty_works(void);
/*
 * Whether the bits say something of a mapping. Not of pages of hugetlb: they show no bit once it was cleared,
 * written or not. Not of shared memory: others write it too.
 */
bool soft_dirty_tells(const struct vma *v);
/* Clears the bits of all pages of a process; proc_fd is /proc/PID. */
must_check int soft_dirty_clear(int proc_fd, struct err *e);

#endif
