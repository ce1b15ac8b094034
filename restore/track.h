/*
 * --track-mem: what is written from the restore on is told from what still is as in the images, so the first dump is an
 * increment upon these.
 */
#ifndef STASIS_RESTORE_TRACK_H
#define STASIS_RESTORE_TRACK_H

#include "restore/restore.h"

/* Before anything is made: whether that can be had, of this kernel and of these images. If not it is said, and all else goes on. */
void rtrack_ask(struct restore *r);
/* The memory of all tasks is in place, and nobody has written to it: the count begins. */
must_check int rtrack_begin(struct restore *r, struct err *e);
/* Hands what counts to a keeper (images/tracking.h); ending it again, if the restore fails after all. */
void rtrack_keep(struct restore *r);
void rtrack_unkeep(struct restore *r);
/* At the very end, however it went. */
void rtrack_close(struct restore *r);

#endif
