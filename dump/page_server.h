/*
 * A dump whose pages go to a page server (--page-server): the folder gets all other images. It is connected to before
 * anything is stopped, and has everything on disk before the dump is complete.
 */
#ifndef STASIS_DUMP_PAGE_SERVER_H
#define STASIS_DUMP_PAGE_SERVER_H

#include "dump/dump.h"

struct track;

/* What does not go together with it, and why. */
must_check int dserver_check_options(const struct options *opt, struct err *e);
/* Connects, if there is to be one: sets d->outlet. */
must_check int dserver_begin(struct dump *d, struct err *e);
/* Pages do not stay in the folder, so there are no rounds of pre-copy. */
bool dserver_takes(const struct dump *d);
/* What is known of this task's pages is of use only if the server has them too. */
must_check int dserver_ask(struct dump *d, struct track *k, struct err *e);
/* All pages are stored when this returns; does nothing without a server. */
must_check int dserver_finish(struct dump *d, struct err *e);
void dserver_close(struct dump *d);

#endif
