/*
 * The end of a dump whose tree goes to another machine (lib/handover.h): who has it is settled between the two sides, and
 * only one that is not ours any more is ended.
 */
#ifndef STASIS_DUMP_GIVE_H
#define STASIS_DUMP_GIVE_H

#include "dump/dump.h"

/* Gives the tree away, if it is to be given: what comes back is that it is theirs, or d->in_doubt. */
must_check int give_tree(struct dump *d, struct err *e);
/* Pages of it are being taken (dump/lazy.h): from here on it does not run again by itself. */
void give_hold(struct dump *d);
/* It stays here. */
void give_undo(struct dump *d);
/* The error that says that nobody knows: -EINPROGRESS. */
int give_doubt(struct err *e);

#endif
