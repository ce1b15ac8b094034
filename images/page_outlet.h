/*
 * Somewhere else for page maps and their pages than files: a page server (pages/client.h). One map after the other, each
 * entry in front of its pages, so each map is kept until its pages are put (page_sink.h).
 */
#ifndef STASIS_IMAGES_PAGE_OUTLET_H
#define STASIS_IMAGES_PAGE_OUTLET_H

#include "images/kinds.h"
#include "lib/err.h"

struct stored_run;

struct page_outlet {
	/* Begins a page map. */
	int (*open)(struct page_outlet *o, enum image_kind kind, uint64_t id, struct err *e);
	/* An entry of it: vaddr, nr_pages, flags. If it is PE_PRESENT its pages follow. */
	int (*add)(struct page_outlet *o, const struct stored_run *run, struct err *e);
	int (*data)(struct page_outlet *o, const void *data, size_t size, struct err *e);
};

/* A page map on its way. */
struct page_remote {
	struct page_outlet *outlet;
	enum image_kind kind;
	uint64_t id;
	struct stored_run *runs;
	size_t count, next; /* the next to be added */
	uint64_t left;	    /* bytes of the last one added that are to be put */
	bool open;
};

must_check int page_remote_add(struct page_remote *m, const struct stored_run *run, struct err *e);
/* Pages in the order of the present entries. last: no others follow. */
must_check int page_remote_put(struct page_remote *m, const char *data, size_t size, bool last,
			       struct err *e);
/* Without any pages at all: just the map. */
must_check int page_remote_finish(struct page_remote *m, struct err *e);

#endif
