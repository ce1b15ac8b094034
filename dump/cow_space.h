/*
 * One address space of which a moment is being saved while its owner runs on: every page that belongs to the moment
 * is write-protected until its contents are in our hands. Whoever writes to such a page waits for that.
 *
 * The unit of saving is a block of 32 KiB: what of it is present lies in one piece in the pages file. Any number of
 * threads may read the same unit; the one that marks it as saved is the one whose copy counts. A page is released only
 * after its unit was marked, and a copy counts only if all of its pages were still protected after they had been
 * read. So whatever happens to the memory, by whatever way, either the copy is of the moment or there is none.
 */
#ifndef STASIS_DUMP_COW_SPACE_H
#define STASIS_DUMP_COW_SPACE_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

#include "dump/memory.h"
#include "images/manifest_part.h"
#include "lib/ranges.h"

enum {
	COW_BLOCK = 32 << 10,	/* of memory, on such a boundary: what one unit covers */
	COW_WINDOW = 256 << 10, /* saved at once for one that waits */
	COW_EARLY = 32 << 10,	/* released at once for one that waits before the moment */
	COW_BATCH =
		2
		<< 20, /* released at once behind the threads that save in order: no huge page is split */
};

struct cow_unit {
	uint64_t vaddr; /* its first page */
	uint64_t offset;
	uint32_t run; /* which of the space's runs holds that page */
	uint16_t pages;
	_Atomic uint8_t saved;
};

struct cow_space {
	int pid;
	int uffd;
	int proc_fd, pagemap_fd, mem_fd;
	int pages_fd;	/* where the pages go; borrowed */
	uint64_t *sums; /* of that file, see manifest_part.h; borrowed, NULL: nobody wants them */
	struct ranges areas; /* what can be protected */
	struct ranges
		seen; /* pages that were there when all had been protected, before the moment */
	struct ranges
		fresh; /* of the areas: not registered all the time, so the marks of their pages mean nothing */
	_Atomic bool doubt; /* the same for all */
	struct ranges rest; /* at the moment: what is not protected (any more) */
	struct page_run *runs;
	size_t run_count;
	struct cow_unit *units;
	size_t unit_count;
	_Atomic size_t left;	 /* units that are not saved */
	pthread_mutex_t gate;	 /* held by whoever releases pages, and while the moment is taken */
	bool saving;		 /* the moment has been taken */
	_Atomic bool calm;	 /* nothing is to be protected before the moment */
	uint64_t heap, heap_end; /* what brk() may take away; 0: nothing */
};

/* uffd: of UFFD_WRITES_WAIT, begun; the space closes it. proc_fd is copied. */
must_check int cow_space_open(struct cow_space *s, int pid, int proc_fd, int uffd, struct err *e);
/* Closes the descriptor last: the kernel then takes back what is still protected. */
void cow_space_close(struct cow_space *s);
/*
 * Takes protection back slice by slice, so that nobody waits long for the kernel to do it all at once. Meanwhile a mapping
 * may be two, which mremap() cannot take: nobody may call it.
 */
void cow_space_unregister(struct cow_space *s);

/*
 * In the stop that comes first. What is registered while its owner runs may have grown in between: then it would be two
 * mappings, and mremap() of both together fails. What cannot be registered is left out.
 */
void cow_space_register(struct cow_space *s, uint64_t start, uint64_t end);
/* Before the moment, while its owner runs: a whole mapping whose pages may be protected; ascending. Left out if not registered. */
must_check int cow_space_add_early(struct cow_space *s, uint64_t start, uint64_t end,
				   struct err *e);
/* The same at the moment, where nobody runs: it is registered if it can be. */
must_check int cow_space_add(struct cow_space *s, uint64_t start, uint64_t end, struct err *e);
void cow_space_forget_areas(struct cow_space *s);
/* Before the moment, while its owner runs: protects all of it, and looks what there is. */
must_check int cow_space_protect(struct cow_space *s, struct err *e);
/* Before the moment: releases all, for good. */
void cow_space_calm(struct cow_space *s);
/* At the moment, first of all: the pages that there are of what can be protected. Nobody runs. */
must_check int cow_space_pages(struct cow_space *s, struct ranges *ret, struct err *e);
/*
 * The moment: protects what is not protected (any more), and knows from here what is to be saved. runs lie one behind
 * the other in the pages file. Those outside of what can be protected are copied before it returns. Nobody runs meanwhile.
 */
must_check int cow_space_take(struct cow_space *s, const struct page_run *runs, size_t count,
			      struct err *e);

/* Some units that were read into one piece of memory. */
struct cow_copy {
	char *data; /* room for COW_BLOCK bytes for each unit */
	struct page_view
		*view; /* how pages nearby are shared, or empty; NULL: it is asked each time */
	struct cow_part {
		uint64_t offset; /* in the pages file */
		uint32_t at, bytes;
	} parts[COW_WINDOW / COW_BLOCK];
	size_t count;
	int fd;
	uint64_t *sums;
};

/* The units that are not saved yet among [first,last), at most a window full: read, proven, marked. */
must_check int cow_space_copy(struct cow_space *s, size_t first, size_t last, struct cow_copy *ret,
			      struct err *e);
must_check int cow_copy_write(const struct cow_copy *c, struct manifest_part *m, struct err *e);
/* The first unit that ends behind an address. */
size_t cow_space_find(const struct cow_space *s, uint64_t at);
/* Lets go whoever waits for a page of [start,end); its units have been saved. */
void cow_space_release(struct cow_space *s, uint64_t start, uint64_t end);
/* A window around an address, within what can be protected: of *size bytes before the moment. */
struct range cow_space_window(const struct cow_space *s, uint64_t at, uint64_t size);
uint64_t cow_unit_end(const struct cow_unit *u);

#endif
