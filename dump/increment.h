/* What a dump takes from the one before: the folder 'parent', and the tracking that has gone on since. */
#ifndef STASIS_DUMP_INCREMENT_H
#define STASIS_DUMP_INCREMENT_H

#include "dump/dump.h"

/*
 * With --prev-images-dir: makes the link 'parent', and with --track-mem (or for a pre-dump) the tracks of d from what the
 * keeper holds, with what the folder knows. The keeper's part is over then, whatever comes: what is protected anew from
 * here on would be missing from the next count.
 */
must_check int increment_begin(struct dump *d, struct err *e);
/* Tracking goes on from the moment of this dump, whose inventory is inv. */
void increment_go_on(struct dump *d, const char *images);
/* A name for a set of images that no other has. Lives in the pool. */
must_check int increment_name(struct dump *d, char **ret, struct err *e);

#endif
