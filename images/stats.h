/* The files stats-dump and stats-restore of the work directory. */
#ifndef STASIS_IMAGES_STATS_H
#define STASIS_IMAGES_STATS_H

#include "lib/err.h"
#include "lib/stats.h"

must_check int stats_dump_write(int work_fd, const struct dump_stats *s, struct err *e);
must_check int stats_restore_write(int work_fd, const struct restore_stats *s, struct err *e);

#endif
