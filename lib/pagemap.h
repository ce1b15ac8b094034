/*
 * Which pages of a process hold something: runs of pages of a range, from PAGEMAP_SCAN (Linux 6.7), or from
 * the words of /proc/PID/pagemap where that is missing.
 */
#ifndef STASIS_LIB_PAGEMAP_H
#define STASIS_LIB_PAGEMAP_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/err.h"

enum pagemap_want {
	/* Present or swapped, not the shared zero page, not a page of a file or of shared memory. */
	PAGEMAP_PRIVATE,
	/* Present or swapped, whosesoever it is; guards excepted. */
	PAGEMAP_HELD,
	/* The same as PAGEMAP_PRIVATE where all is anonymous memory, in a third of the time. */
	PAGEMAP_ANON,
	/* Guard regions (MADV_GUARD_INSTALL). None where the kernel does not tell them. */
	PAGEMAP_GUARD,
	/* Whosesoever it is, of what a userfaultfd watches: not protected, or written since. Only with PAGEMAP_SCAN. */
	PAGEMAP_WRITTEN,
};

/* An open pagemap. The range may span several mappings and the gaps between them; runs are merged across both. */
struct pagemap {
	int fd;
	bool scans;	   /* PAGEMAP_SCAN is there */
	bool tells_guards; /* and knows PAGE_IS_GUARD (Linux 6.15) */
	uint64_t zero_pfn; /* without PAGEMAP_SCAN: the zero page, 0 while not known */
	bool tracked;	   /* set by the caller: page_range.clean is asked for; only with PAGEMAP_SCAN */
	bool protects;	   /* set by the caller: what is found is write-protected at the same moment */
	enum pagemap_want want;
	uint64_t at, end; /* what has still to be asked for */
	void *batch;	  /* answers, or words, of one call */
	uint32_t batch_count, batch_next;
};

struct page_range {
	uint64_t start, end;
	bool clean; /* write-protected by some userfaultfd that marks, and not written since */
};

/* proc_fd is /proc/PID. */
must_check int pagemap_open(int proc_fd, struct pagemap *ret, struct err *e);
void pagemap_close(struct pagemap *p);
/* Begins anew with the pages of [start,end), both on page boundaries. */
void pagemap_range(struct pagemap *p, uint64_t start, uint64_t end, enum pagemap_want want);
/* The words of /proc/PID/pagemap, one for each page of [start,end). */
must_check int pagemap_words(const struct pagemap *p, uint64_t start, uint64_t end, uint64_t *ret,
			     struct err *e);
/*
 * Of such a word: a page that others may have as well, copy-on-write. The kernel gives a process a copy of its own of such a
 * page before it lets somebody pin it, as process_vm_readv() does, even for reading. Pages of files are not copied for that.
 */
static inline bool pagemap_is_common(uint64_t word)
{
	const uint64_t there = 3ULL << 62, of_file = 1ULL << 61, mapped_once = 1ULL << 56;

	return word & there && !(word & (of_file | mapped_once));
}
/* 1: the mapping at this address is registered with a userfaultfd that marks. */
must_check int pagemap_watched(const struct pagemap *p, uint64_t at, struct err *e);
/* The next run, ascending. 1 when there was one, 0 at the end. */
must_check int pagemap_next(struct pagemap *p, struct page_range *ret, struct err *e);

#define own_pagemap __attribute__((cleanup(pagemap_close))) struct pagemap

#endif
