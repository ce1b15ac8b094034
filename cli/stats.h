/* --display-stats: what was counted, on standard output, in CRIU's words. */
#ifndef STASIS_CLI_STATS_H
#define STASIS_CLI_STATS_H

#include "lib/stats.h"

void print_dump_stats(const struct dump_stats *s);
/* --json: the same as one object. */
void print_dump_json(const struct dump_stats *s);
void print_restore_stats(const struct restore_stats *s);

#endif
