/* --display-stats; see stats.h. */
#include "cli/stats.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "cli/json.h"
#include "lib/io.h"
#include "lib/options.h"

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
	if (s->pages_equal)
		print_count("Memory pages equal to others", s->pages_equal);
	print_count("Lazy memory pages", s->pages_lazy);
	printf("Memory saved: %s\n", freeze_word(s->freeze));
	printf("Stops: %" PRIu32 "\n", s->stops);
	print_time("Longest stop", s->longest_stop);
	for (uint32_t i = 0; i < s->rounds; i++)
		printf("Pages written in round %" PRIu32 ": %" PRIu64 " (0x%" PRIx64 ")\n", i + 1,
		       s->round_pages[i], s->round_pages[i]);
}

static void json_number(struct json *j, const char *key, uint64_t value)
{
	json_plain(j, key, "%" PRIu64, value);
}

void print_dump_json(const struct dump_stats *s)
{
	const char *mode = freeze_word(s->freeze);
	struct json j = { .out = stdout };

	json_begin(&j, NULL, '{');
	json_string(&j, "mode", mode, strlen(mode));
	json_number(&j, "frozen_us", s->frozen_time);
	json_number(&j, "stops", s->stops);
	json_number(&j, "longest_stop_us", s->longest_stop);
	json_begin(&j, "round_pages", '[');
	for (uint32_t i = 0; i < s->rounds; i++)
		json_number(&j, NULL, s->round_pages[i]);
	json_end(&j, ']');
	json_number(&j, "bytes_written", (s->pages_written + s->shpages_written) * PAGE_SIZE);
	json_number(&j, "bytes_skipped_parent",
		    (s->pages_skipped_parent + s->shpages_skipped_parent) * PAGE_SIZE);
	json_number(&j, "bytes_skipped_zero", s->pages_zero * PAGE_SIZE);
	json_number(&j, "bytes_skipped_equal", s->pages_equal * PAGE_SIZE);
	json_end(&j, '}');
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
