/*
 * The memory of one process that is not all there yet: which pages are outstanding, and where they belong by now. Nothing here
 * makes a system call, so all of it is known from what it began with and the events since, which is what a second holder
 * relies on (lazy/journal.h).
 *
 * Pages have numbers, in the order of their addresses when they were saved. A region says where a row of numbers is now; what
 * lies in no region, or is not outstanding any more, is zero when it is missing.
 */
#ifndef STASIS_LAZY_SPACE_H
#define STASIS_LAZY_SPACE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/err.h"

struct lazy_region {
	uint64_t at;	/* address now */
	uint64_t pages; /* in a row */
	uint64_t first; /* number of the first */
};

struct lazy_space {
	unsigned int id;
	int uffd; /* -1: it is over */
	int pid;  /* whose page map; a child has its parent's */
	/* As it was saved. A child's belongs to its parent's family, so it is never freed. */
	const struct lazy_region *saved; /* by address, numbers from 0 on */
	size_t saved_count;
	struct lazy_region *regions; /* by address, not overlapping */
	size_t count;
	uint64_t *outstanding; /* a bit for each number */
	uint64_t numbers, left;
	/* Of the background: the address where it goes on, and whether something could not be had in this round. */
	uint64_t next, rests_until; /* io_now_us() */
	bool sour;
	bool tied;	/* lazy/tether.h: a thread of it was seen */
	bool witnessed; /* lazy/witness.h */
};

/* All of what was saved is outstanding. */
must_check int lazy_space_begin(struct lazy_space *s, struct err *e);
void lazy_space_end(struct lazy_space *s);
/* The child of a fork: all that belongs to a region may be missing there. uffd and id are the caller's to set. */
must_check int lazy_space_fork(const struct lazy_space *s, struct lazy_space *ret, struct err *e);

/* Outstanding pages in a row. */
struct lazy_row {
	uint64_t at;	/* address now */
	uint64_t vaddr; /* address when it was saved */
	uint64_t pages, first;
};
/* Whether the page at this address is outstanding; ret: it and its neighbours, within [low,high). */
bool lazy_space_find(const struct lazy_space *s, uint64_t at, uint64_t low, uint64_t high,
		     struct lazy_row *ret);
/* The next ones at or behind this address, up to max. */
bool lazy_space_next(const struct lazy_space *s, uint64_t at, uint64_t max, struct lazy_row *ret);
/* They are there, or will never be wanted. */
void lazy_space_done(struct lazy_space *s, uint64_t first, uint64_t pages);

/* What was at these addresses is gone, or has moved. */
must_check int lazy_space_cut(struct lazy_space *s, uint64_t start, uint64_t end, struct err *e);
must_check int lazy_space_move(struct lazy_space *s, uint64_t from, uint64_t to, uint64_t size,
			       struct err *e);

#endif
