/* The ways to tell which pages were written, behind track.h. */
#ifndef STASIS_DUMP_TRACKERS_H
#define STASIS_DUMP_TRACKERS_H

#include "dump/track.h"

/*
 * One way. What a function is missing for is nothing to do. Errors of one track that track_lost() explains are none.
 */
struct tracker {
	bool (*lives)(const struct track *k);
	/* No more of it: it does not live from then on. */
	void (*give_up)(struct track *k);
	/* While it runs: what is suspect is released, as far as it can be. */
	int (*release)(struct track *k, struct err *e);
	/* Whether register_new needs more than the layout that is there, without what only smaps tells. */
	int (*needs_smaps)(struct track *k, struct err *e);
	int (*register_new)(struct dump *d, struct track *k, struct err *e);
	int (*collect)(struct dump *d, struct track *k, struct err *e);
	int (*collect_stopped)(struct dump *d, struct track *k, struct err *e);
	/* Adds what is written by now. */
	int (*written)(const struct track *k, struct ranges *ret, struct err *e);
	int (*settle)(struct track *k, const struct maps *maps, bool go_on, struct err *e);
};

extern const struct tracker uffd_tracker, soft_tracker;

/* In track_soft.c; the other way's are in arm.c. */
struct soft_track {
	int frames; /* a memfd that reads like /proc/PID/pagemap when the count began; -1: it has not begun */
	uint64_t mark; /* the address of the page that is marked; see lib/soft_dirty.h */
	bool over;
	struct ranges clean; /* in the last stop */
};

/* What somebody has to hold while nobody dumps; -1: there is nothing. */
int track_held(const struct track *k);
/* Makes it one by soft-dirty, whose count has begun before. */
void soft_track_put(struct dump *d, struct track *k, int frames, uint64_t mark);
must_check int soft_track_arm(struct dump *d, struct err *e);
must_check int uffd_track_arm(struct dump *d, struct err *e);

/* Whether written pages of a mapping can be told from others. */
bool track_can(const struct track *k, const struct vma *v);

#endif
