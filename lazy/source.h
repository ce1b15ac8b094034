/*
 * Where pages come from that a process has been started without: images, another machine, or one after the other.
 *
 * Whoever serves asks for pages of a page map by the addresses that they had when they were saved; where they are now is no
 * business of a source. It may be asked again for what it could not give: damage may be repaired and a connection be back.
 */
#ifndef STASIS_LAZY_SOURCE_H
#define STASIS_LAZY_SOURCE_H

#include <stdint.h>

#include "lib/err.h"

enum { SOURCE_PAGES = 64 }; /* that are asked for at once, at most */

struct page_want {
	int pid; /* whose page map */
	uint64_t vaddr, pages;
};

struct lazy_source {
	/*
	 * The first pages of what is wanted, at least one; how many in *ret_pages. -ENODATA without a sentence: this source
	 * has nothing there. -EAGAIN with one: nothing can be had now, as when a connection is lost; all else is about these pages.
	 */
	int (*read)(struct lazy_source *s, const struct page_want *w, void *to, uint64_t *ret_pages,
		    struct err *e);
	/* Adds the descriptors that it needs, for whoever closes all others. */
	void (*descriptors)(const struct lazy_source *s, void (*add)(void *arg, int fd), void *arg);
	void (*close)(struct lazy_source *s);
	/* All that is wanted was had, and put into place; NULL: nobody has to know. */
	void (*done)(struct lazy_source *s);
};

/* Of several the first that has it. Both stay the caller's. */
struct source_chain {
	struct lazy_source source;
	struct lazy_source *first, *second;
};

void source_chain_begin(struct source_chain *c, struct lazy_source *first,
			struct lazy_source *second);

#endif
