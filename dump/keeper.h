/*
 * Tracking that outlives a dump: a process of ours, the keeper, holds the userfaultfds (or, by soft-dirty, what frames
 * the pages were in) until the tree is gone, and a file in /run/stasis says which they are, and which images they
 * belong to. The next dump fetches them from there.
 *
 * When the keeper is killed the kernel takes every protection back, and the next dump finds that nothing is tracked.
 */
#ifndef STASIS_DUMP_KEEPER_H
#define STASIS_DUMP_KEEPER_H

#include "dump/track.h"

/*
 * Fetches what is kept of the tree, if it belongs to the images of this id (dump_criu_run_id), and makes the tracks of
 * d from it. Nothing kept is no error; why there is nothing is said in the log.
 */
must_check int keeper_fetch(struct dump *d, const char *images, struct err *e);
/* Hands the tracks of d to a new keeper, and ends the one before. */
must_check int keeper_start(struct dump *d, const char *images, struct err *e);
/* Ends the keeper of a tree. 1: there was one. */
must_check int keeper_end(int tree, struct err *e);
/* The same for whatever tree holds this process's memory by soft-dirty bits: whoever clears them takes them from it. */
must_check int keeper_end_of_memory(int pid, struct err *e);

#endif
