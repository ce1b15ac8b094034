/*
 * What a dump and a restore counted: plain numbers that --display-stats prints and that go into
 * the files stats-dump and stats-restore. Times are microseconds.
 */
#ifndef STASIS_LIB_STATS_H
#define STASIS_LIB_STATS_H

#include <stdint.h>

enum { STATS_ROUNDS = 32 };

struct dump_stats {
	uint32_t freezing_time; /* stopping all tasks, the last time */
	uint32_t frozen_time;	/* from each stop until they were let go, in all */
	uint32_t longest_stop;
	uint32_t stops;
	uint32_t freeze; /* enum freeze_mode: how memory was saved */
	uint32_t rounds; /* of pre-copy */
	uint64_t round_pages[STATS_ROUNDS]; /* written by each of them */
	uint32_t memdump_time;	/* collecting pages */
	uint32_t memwrite_time; /* writing pages */
	uint32_t irmap_resolve;
	uint64_t pages_scanned;
	uint64_t pages_skipped_parent;
	uint64_t pages_written;
	uint64_t pages_zero; /* all zero, so not written; of shared memory too */
	uint64_t pages_equal; /* stored elsewhere (--dedup-pages); of shared memory too */
	uint64_t pages_lazy;
	uint64_t shpages_scanned;
	uint64_t shpages_skipped_parent;
	uint64_t shpages_written;
};

struct restore_stats {
	uint64_t pages_compared;
	uint64_t pages_skipped_cow;
	uint64_t pages_restored;
	uint32_t forking_time;
	uint32_t restore_time;
	int root_pid; /* as we see it; 0: it is not there yet */
};

#endif
