/*
 * The pages of one mapping that is registered with a userfaultfd that marks, like PAGEMAP_ANON with page_range.clean,
 * in a tenth of the time where little of it was written: only what is not protected is looked at page by page.
 */
#ifndef STASIS_LIB_PROTECTED_H
#define STASIS_LIB_PROTECTED_H

#include "lib/pagemap.h"
#include "lib/ranges.h"

struct protected_pages {
	struct pagemap *pm;
	struct ranges open; /* what is looked at page by page */
	uint64_t at, end;
	bool inside; /* of one of them: the next run is pm's */
};

void protected_free(struct protected_pages *p);
/*
 * Begins anew with [start,end), which nobody writes to meanwhile and which lies in one anonymous mapping. The page map stays the
 * caller's; it scans, is tracked, and protects what is open if it is told to.
 */
must_check int protected_begin(struct protected_pages *p, struct pagemap *pm, uint64_t start,
			       uint64_t end, struct err *e);
/* As pagemap_next(), but two runs may touch each other. */
must_check int protected_next(struct protected_pages *p, struct page_range *ret, struct err *e);

#endif
