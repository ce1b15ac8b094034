/* --display-stats; see stats.h. */
#include "cli/stats.h"

#include <inttypes.h>
#include <stdio.h>

static void print_time(const char *what, uint32_t us)
{
	printf("%s: %" PRIu32 " us\n", what, us);
}

static void print_count(const char *what, uint64_t count)
{
	printf("%s: %" PRIu64 " (0x%" PRIx64 ")\n", what, count, count);
}

void print_dump_stats(const struct dump_stats *s)
{
	puts("Displaying dump stats:");
	print_time("Freezing time", s->freezing_time);
	print_time("Frozen time", s->frozen_time);
	print_time("Memory dump time", s->memdump_time);
	print_time("Memory write time", s->memwrite_time);
	print_time("IRMAP resolve time", s->irmap_resolve);
	print_count("Memory pages scanned", s->pages_scanned);
	print_count("Memory pages skipped from parent", s->pages_skipped_parent);
	print_count("Memory pages written", s->pages_written);
	print_count("Memory pages all zero", s->pages_zero);
	print_count("Lazy memory pages", s->pages_lazy);
}

void print_restore_stats(const struct restore_stats *s)
{
	puts("Displaying restore stats:");
	print_count("Pages compared", s->pages_compared);
	print_count("Pages skipped COW", s->pages_skipped_cow);
	print_count("Pages restored", s->pages_restored);
	print_time("Restore time", s->restore_time);
	print_time("Forking time", s->forking_time);
}
