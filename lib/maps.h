/*
 * The mappings of a process, from /proc/PID/smaps (which alone has VmFlags).
 */
#ifndef STASIS_LIB_MAPS_H
#define STASIS_LIB_MAPS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/err.h"
#include "lib/pool.h"

/* VmFlags of smaps, one bit each; the two letters are the kernel's. */
enum vma_flag {
	VMA_RD = 1 << 0, /* rd readable */
	VMA_WR = 1 << 1,
	VMA_EX = 1 << 2,
	VMA_SH = 1 << 3,  /* sh shared */
	VMA_GD = 1 << 4,  /* gd grows down */
	VMA_LO = 1 << 5,  /* lo locked */
	VMA_IO = 1 << 6,  /* io */
	VMA_SR = 1 << 7,  /* sr sequential read */
	VMA_RR = 1 << 8,  /* rr random read */
	VMA_DC = 1 << 9,  /* dc not copied on fork */
	VMA_DE = 1 << 10, /* de not expandable */
	VMA_AC = 1 << 11, /* ac accountable */
	VMA_NR = 1 << 12, /* nr no reserve */
	VMA_HT = 1 << 13, /* ht hugetlb */
	VMA_DD = 1 << 14, /* dd not dumped */
	VMA_MG = 1 << 15, /* mg mergeable */
	VMA_HG = 1 << 16, /* hg huge page */
	VMA_NH = 1 << 17, /* nh no huge page */
	VMA_WF = 1 << 18, /* wf wipe on fork */
	VMA_PF = 1 << 19, /* pf pure PFN range */
	VMA_SS = 1 << 20, /* ss shadow stack */
	VMA_SL = 1 << 21, /* sl sealed */
	VMA_DP = 1 << 22, /* dp droppable (lazily freeable) */
	VMA_LF = 1 << 23, /* lf lock on fault */
	VMA_UW = 1 << 24, /* uw userfaultfd write-protect */
	VMA_UM = 1 << 25, /* um userfaultfd missing */
	VMA_GU = 1 << 26, /* gu guard regions inside (since 6.15) */
	VMA_UI = 1 << 27, /* ui userfaultfd minor */
};

struct vma {
	uint64_t start, end;
	uint64_t pgoff; /* bytes */
	uint32_t flags; /* enum vma_flag */
	uint32_t may;	/* mr mw me: RD, WR, EX that mprotect may set */
	uint32_t dev_major, dev_minor;
	uint64_t inode;
	const char *name;   /* path or [name], " (deleted)" included, "" if none */
	uint64_t page_size; /* bytes: KernelPageSize */
	uint32_t pkey;	    /* memory protection key, 0 for nearly everything */
	/* For dump/mm: what dump/memory.c decided (VMA_* status bits of the image), shmid, file id. */
	uint32_t status;
	uint64_t shmid;
	int fd_flags; /* access mode of the mapped file, -1: no map_files link */
};

/* Ascending; the strings and the array live in a pool. */
struct maps {
	struct vma *vmas;
	size_t count;
};

/* Private anonymous memory, heap and stack included: neither a file nor a shared object lies under it. */
bool maps_is_anon(const struct vma *v);
/* Everything about the mappings of a process, as far as it is told with or without smaps. proc_fd is /proc/PID. */
must_check int maps_read(int proc_fd, struct pool *pool, struct maps *ret, struct err *e);
/* Without what only smaps tells, and so without that the kernel walks through all pages: may, and most flags. */
must_check int maps_read_brief(int proc_fd, struct pool *pool, struct maps *ret, struct err *e);
/*
 * Brings what maps_read gave up to date, at the price of maps_read_brief. Where the flags are not to be had at that price,
 * what only smaps tells is as it was. 1: done; 0: it cannot be, there are mappings that were not there before.
 */
must_check int maps_update(int proc_fd, struct pool *pool, struct maps *m, struct err *e);

#endif
