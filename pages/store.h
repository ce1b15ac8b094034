/*
 * A page server: takes page maps and pages of one connection and writes them into a folder, as a dump would have. What comes
 * is not trusted: names are made of numbers, entries have to make sense, and what is no message ends it.
 */
#ifndef STASIS_PAGES_STORE_H
#define STASIS_PAGES_STORE_H

#include "pages/link.h"

/* Until the other side has said that all was sent; then all is on disk. */
must_check int page_store_run(int dir_fd, struct page_link *l, struct err *e);

#endif
