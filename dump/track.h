/*
 * What has been written since when: one entry for each memory that is tracked, which outlives the stops of a dump.
 *
 * There are three answers, and the first that works here is taken for all:
 *   asynchronous userfaultfd write-protection with PAGEMAP_SCAN (track_uffd.c), Linux 6.7;
 *   soft-dirty bits (track_soft.c), where the kernel was built with them;
 *   none: then there are no tracks.
 *
 * A page counts as clean only where that proves it. By userfaultfd: its mapping has been registered with ours all the
 * time, its contents were taken after it was protected, and it is still protected. A mapping that is new, that was
 * moved, or that came by fork or exec is not registered; a page that was dropped and touched again is not protected.
 * By soft-dirty: nobody else has cleared the bits, that of the page is not set, and it is the same frame.
 *
 * Pages are read only after a stop that came after they were protected, or in which the bits were cleared: a read()
 * with O_DIRECT that is under way then has looked them up before and writes without a mark. No thread that has stopped
 * is inside of one.
 */
#ifndef STASIS_DUMP_TRACK_H
#define STASIS_DUMP_TRACK_H

#include "dump/dump.h"
#include "lib/maps.h"
#include "lib/pagemap.h"
#include "lib/ranges.h"
#include "lib/track_way.h"

struct soft_track;

struct track {
	int pid;
	int inner;		 /* the same in the images: as its own pid namespace has it */
	uint64_t start_time;	 /* with pid: which process it is */
	int uffd;		 /* made in the process, held by nobody but us; not by soft-dirty */
	int proc_fd;		 /* /proc/PID */
	struct soft_track *soft; /* dump/trackers.h; NULL: by userfaultfd */
	const struct task *task;
	struct maps maps;    /* as track_look has seen them */
	struct ranges known; /* whose contents the folders written so far hold */
	struct ranges
		suspect; /* count as written until they have been saved, whatever the kernel says */
	struct ranges written; /* what was collected last: to be saved */
};

struct tracks {
	struct track *all;
	size_t count;
	uint64_t looked_at; /* io_now_us() behind the last track_look(); 0: none */
};

/*
 * While the tree is stopped: a track for every task that has none yet, where one can be had; a userfaultfd in each, if
 * that is the way. Tasks that share their memory must have been refused.
 */
must_check int track_arm(struct dump *d, struct err *e);
/*
 * While it is stopped: registers mappings that are new, as whole as they are. What is registered while it runs may have
 * grown in between, and would be two mappings from then on: mremap() of both together fails.
 */
must_check int track_register(struct dump *d, struct err *e);
/*
 * While it runs: remembers the layout. What only smaps tells costs a walk through all pages. track_prepare asks for it only
 * where track_register could not do without, track_refresh where mappings are new since the last time, track_look always:
 * the last stop takes it from there.
 */
must_check int track_prepare(struct dump *d, struct err *e);
must_check int track_refresh(struct dump *d, struct err *e);
must_check int track_look(struct dump *d, struct err *e);
/* The same, unless it has just been done. */
must_check int track_look_again(struct dump *d, struct err *e);
/*
 * Collects what was written since the last time, and begins to count anew: while it runs, after track_refresh, and again in
 * the stop that follows; each way does it where it can. Pages are read after that stop.
 */
must_check int track_collect(struct dump *d, struct err *e);
must_check int track_collect_stopped(struct dump *d, struct err *e);
/*
 * The same for the last stop, which protects what it saves: what counts as written whatever the kernel says is released,
 * so that the kernel says so too, and counts as nothing else afterwards.
 */
must_check int track_release(struct dump *d, struct err *e);
/* While it runs: how many bytes are written by now, at most. */
must_check int track_written(const struct track *k, uint64_t *ret, struct err *e);
/* The track of a task; NULL if it has none. */
struct track *track_of(const struct dump *d, const struct task *t);
/*
 * The same in the last stop, when its mappings have been read: NULL as well if it has AIO rings. What is clean can be
 * asked then. go_on: what is not clean is saved in this stop, and counting begins anew.
 */
must_check int track_settle(const struct task *t, bool go_on, struct track **ret, struct err *e);
/* Whether PAGEMAP_SCAN tells what is clean, of mappings that are ours (track_owns); otherwise track_is_clean does. */
bool track_scans(const struct track *k);
/* Whether [start,end), a mapping that is write-protected by somebody, is so by us. */
bool track_owns(const struct track *k, uint64_t start, uint64_t end);
/* Whether the page at start is what it was when the count began; *ret_end is where that changes, end at most. */
bool track_is_clean(const struct track *k, uint64_t start, uint64_t end, uint64_t *ret_end);
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
