/*
 * TLS on a connection that pages go over: X.509 on both sides, and the side that connects looks at the name of the
 * other. Nothing but this file knows GnuTLS.
 */
#ifndef STASIS_PAGES_TLS_H
#define STASIS_PAGES_TLS_H

#include "pages/link.h"

/* Whether the files are there and fit together: asked before anything is done. */
must_check int tls_check(const struct options *opt, struct err *e);
/* serves: we have been connected to. */
must_check int tls_begin(struct page_link *l, const struct options *opt, bool serves,
			 struct err *e);
/* The end, by close-notify if that is possible at once. */
void tls_end(struct page_link *l);
void tls_drop(struct page_link *l);

/* As recv and send do, with -errno; -EAGAIN: *ret_events is to be waited for. */
ssize_t tls_read(struct page_link *l, void *buf, size_t size, short *ret_events);
ssize_t tls_write(struct page_link *l, const void *data, size_t size, short *ret_events);
/* What went wrong, in words. */
const char *tls_words(const struct page_link *l);

#endif
