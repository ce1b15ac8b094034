/* The files stats-dump and stats-restore; see stats.h. */
#include "images/stats.h"

#include <string.h>

#include "images/image.h"
#include "images/stats.pb-c.h"
#include "lib/options.h"

int stats_dump_write(int work_fd, const struct dump_stats *s, struct err *e)
{
	DumpStatsEntry dump = DUMP_STATS_ENTRY__INIT;
	FreezeStatsEntry freeze = FREEZE_STATS_ENTRY__INIT;
	StatsEntry all = STATS_ENTRY__INIT;
	uint64_t rounds[STATS_ROUNDS];

	dump.freezing_time = s->freezing_time;
	dump.frozen_time = s->frozen_time;
	dump.memdump_time = s->memdump_time;
	dump.memwrite_time = s->memwrite_time;
	dump.pages_scanned = s->pages_scanned;
	dump.pages_skipped_parent = s->pages_skipped_parent;
	dump.pages_written = s->pages_written;
	dump.has_irmap_resolve = true;
	dump.irmap_resolve = s->irmap_resolve;
	dump.pages_lazy = s->pages_lazy;
	dump.has_shpages_scanned = true;
	dump.shpages_scanned = s->shpages_scanned;
	dump.has_shpages_skipped_parent = true;
	dump.shpages_skipped_parent = s->shpages_skipped_parent;
	dump.has_shpages_written = true;
	dump.shpages_written = s->shpages_written;
	all.dump = &dump;
	freeze.mode = (char *)freeze_word(s->freeze);
	freeze.stops = s->stops;
	freeze.longest_stop = s->longest_stop;
	freeze.pages_zero = s->pages_zero;
	memcpy(rounds, s->round_pages, sizeof(rounds));
	freeze.round_pages = rounds;
	freeze.n_round_pages = s->rounds;
	all.freeze = &freeze;
	return image_save(work_fd, IMG_STATS_DUMP, 0, &all, e);
}

int stats_restore_write(int work_fd, const struct restore_stats *s, struct err *e)
{
	RestoreStatsEntry restore = RESTORE_STATS_ENTRY__INIT;
	StatsEntry all = STATS_ENTRY__INIT;

	restore.pages_compared = s->pages_compared;
	restore.pages_skipped_cow = s->pages_skipped_cow;
	restore.forking_time = s->forking_time;
	restore.restore_time = s->restore_time;
	restore.has_pages_restored = true;
	restore.pages_restored = s->pages_restored;
	all.restore = &restore;
	return image_save(work_fd, IMG_STATS_RESTORE, 0, &all, e);
}
