/*
 * What has been written since when: one entry for each memory that is tracked, which outlives the stops of a dump.
 *
 * The answer is PAGEMAP_SCAN's over asynchronous userfaultfd write-protection. A page counts as clean only where that
 * proves it: its mapping has been registered with our userfaultfd all the time, its contents were taken after it was
 * protected, and it is still protected. A mapping that is new, that was moved, or that came by fork or exec is not
 * registered; a page that was dropped and touched again is not protected.
 *
 * Pages are protected while the process runs, and read only after a stop that came later: a read() with O_DIRECT that
 * is under way when its pages are protected has looked them up before and writes without a mark. No thread that has
 * stopped is inside of one.
 */
#ifndef STASIS_DUMP_TRACK_H
#define STASIS_DUMP_TRACK_H

#include "dump/dump.h"
#include "lib/maps.h"
#include "lib/pagemap.h"
#include "lib/ranges.h"

struct track {
	int pid;
	uint64_t start_time; /* with pid: which process it is */
	int uffd;	     /* made in the process, held by nobody but us */
	int proc_fd;	     /* /proc/PID */
	const struct task *task;
	struct maps maps;    /* as track_cover has seen them */
	struct ranges known; /* whose contents the folders written so far hold */
	struct ranges
		suspect; /* count as written until they have been saved, whatever the kernel says */
	struct ranges written; /* what the last track_collect found: to be saved */
};

struct tracks {
	struct track *all;
	size_t count;
};

/* While the tree is stopped: a userfaultfd in every task that has no track yet. Tasks where none can be had get none. */
must_check int track_arm(struct dump *d, struct err *e);
/*
 * While it is stopped: registers mappings that are new, as whole as they are. What is registered while it runs may have
 * grown in between, and would be two mappings from then on: mremap() of both together fails.
 */
must_check int track_register(struct dump *d, struct err *e);
/* While it runs: remembers the layout with all that smaps tells. */
must_check int track_look(struct dump *d, struct err *e);
/*
 * While it runs, after track_look: collects what was written since the last time, which is protected again. The tree has
 * to be stopped once before the pages are read.
 */
must_check int track_collect(struct dump *d, struct err *e);
/*
 * The same for the last stop, which protects what it saves: what counts as written whatever the kernel says is released,
 * so that the kernel says so too, and counts as nothing else afterwards.
 */
must_check int track_settle(struct dump *d, struct err *e);
/* While it runs: how many bytes are written by now, at most. */
must_check int track_written(const struct track *k, uint64_t *ret, struct err *e);
/* The track of a task; NULL if it has none. */
struct track *track_of(const struct dump *d, const struct task *t);
/* The same in the last stop, when its mappings have been read: NULL as well if it has AIO rings. */
struct track *track_trusted(const struct dump *d, const struct task *t);
/* Whether [start,end), a mapping that is write-protected by somebody, is so by us. */
bool track_owns(const struct track *k, uint64_t start, uint64_t end);
/* Whether what has failed is that the process has ended, or left the memory by execve(); then its track is over. */
bool track_lost(struct track *k, const struct err *e);
/* Forgets those whose memory is gone. */
void track_drop_lost(struct dump *d);
/* Takes one over that comes from elsewhere. */
must_check int track_add(struct dump *d, const struct track *k, struct err *e);
void track_close(struct track *k);
/* Ends all tracking: the kernel takes back every protection. */
void track_drop(struct dump *d);

#endif
