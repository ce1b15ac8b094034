/* A round of saving memory while the tree runs: what a pre-dump does once, and pre-copy several times. */
#ifndef STASIS_DUMP_ROUNDS_H
#define STASIS_DUMP_ROUNDS_H

#include "dump/dump.h"

/* While the tree is stopped: tasks and mappings that can be tracked and are not yet are from now on. */
must_check int rounds_arm(struct dump *d, struct err *e);
/*
 * While it runs: collects what was written, stops the tree for a moment, and saves the pages into the folder, which is
 * complete and synced then. images: what they are called for increments; NULL: they are a round of a dump.
 */
must_check int rounds_save(struct dump *d, int dir_fd, const char *images, struct err *e);
/* How many bytes are written by now and not saved, in all: of private memory, and of shared objects. */
must_check int rounds_left(struct dump *d, uint64_t *ret, uint64_t *ret_shared, struct err *e);

#endif
