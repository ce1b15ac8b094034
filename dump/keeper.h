/* Tracking that outlives a dump (images/tracking.h): its tracks go to a keeper, and the next dump fetches them there. */
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

#endif
