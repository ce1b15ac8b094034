/*
 * The other end of a source that is elsewhere (lazy/remote.h): gives pages to whoever asks for them, until that says that it
 * has all. What is asked for is not trusted.
 */
#ifndef STASIS_LAZY_GIVE_H
#define STASIS_LAZY_GIVE_H

#include "lazy/source.h"
#include "pages/link.h"

struct giving {
	struct lazy_source *source;
	/* Before the first pages go out; NULL: nothing is to be done. */
	int (*first)(void *arg, struct err *e);
	void *arg;
	uint64_t given; /* pages, so far */
};

/* 1: all was taken; 0: the other side has left before. */
must_check int give_pages(struct giving *g, struct page_link *l, struct err *e);

#endif
