/*
 * A page server to which a dump sends page maps and pages (images/page_outlet.h). What was sent counts when it has been
 * closed, and the other side has said that all is stored.
 */
#ifndef STASIS_PAGES_CLIENT_H
#define STASIS_PAGES_CLIENT_H

#include "images/page_outlet.h"
#include "pages/link.h"

struct page_client {
	struct page_outlet outlet; /* first */
	struct page_link link;
	uint64_t map;	 /* that is open; each entry names it */
	bool has_parent; /* the folder before has it */
};

/* link.go_on, arg and patience may be set before. */
must_check int page_client_begin(struct page_client *c, const struct options *opt, struct err *e);
/* Whether the folder before the server's has this page map. */
must_check int page_client_has(struct page_client *c, enum image_kind kind, uint64_t id, bool *ret,
			       struct err *e);
/* All has been sent: it is stored when this returns. */
must_check int page_client_finish(struct page_client *c, struct err *e);
void page_client_drop(struct page_client *c);

#endif
