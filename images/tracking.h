/*
 * Tracking that goes on while nobody dumps: a process of ours, the keeper, holds what it needs (userfaultfds or, by
 * soft-dirty, what frames the pages were in) until the tree is gone, and a file in /run/stasis says which they are, and
 * which images they belong to. A dump or a restore leaves it behind; the next dump fetches from there.
 *
 * When the keeper is killed the kernel takes every protection back, and the next dump finds that nothing is tracked.
 */
#ifndef STASIS_IMAGES_TRACKING_H
#define STASIS_IMAGES_TRACKING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "images/tracking.pb-c.h"
#include "lib/err.h"

#define TRACKING_FOLDER "/run/stasis"

/* What is kept of a tree. 0: there is nothing. The caller frees it (own_message). */
must_check int tracking_load(int tree, TrackingEntry **ret, struct err *e);
/* A pidfd of the process that is the one of this start time, and not another that has got its number. -1: it is gone. */
int tracking_process(int pid, uint64_t start_time);

/* What is to be kept of a tree. */
struct tracking {
	int tree;
	const char *images;   /* their dump_criu_run_id */
	TrackedEntry **tasks; /* uffd: our descriptor */
	size_t count;
	RenumberedEntry **shared;
	size_t shared_count;
	bool has_hashes;
	int hashes; /* see tracking.proto */
};

/* Hands it to a new keeper, and ends the one before. The keeper has let go of all other descriptors then. */
must_check int tracking_start(const struct tracking *t, struct err *e);
/* Ends the keeper of a tree. 1: there was one. */
must_check int tracking_end(int tree, struct err *e);
/* The same for whatever tree holds this process's memory by soft-dirty bits: whoever clears them takes them from it. */
must_check int tracking_end_of_memory(int pid, struct err *e);

#endif
