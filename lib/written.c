/* What has been written since it was protected; see written.h. */
#include "lib/written.h"

#include <errno.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "lib/io.h"
#include "lib/own.h"

/* From linux/fs.h; the headers of Debian 12 are older than the call. */
struct scan_region {
	uint64_t start, end, categories;
};

struct scan_args {
	uint64_t size, flags;
	uint64_t start, end, walk_end;
	uint64_t vec, vec_len, max_pages;
	uint64_t category_inverted, category_mask, category_anyof_mask, return_mask;
};

#define SCAN_CALL _IOWR('f', 16, struct scan_args)
#define WORD_PROTECTED (1ULL << 57)

enum {
	SCAN_WRITTEN = 1 << 1,
	SCAN_PRESENT = 1 << 3,
	SCAN_SWAPPED = 1 << 4,
	REGIONS = 512,
	WORDS = 512
};

/* The number of regions; -1 with errno. *at is where the walk has ended. */
static int scan(int fd, uint64_t *at, uint64_t end, struct scan_region *regions, size_t count)
{
	struct scan_args a = { .size = sizeof(a),
			       .start = *at,
			       .end = end,
			       .vec = (uintptr_t)regions,
			       .vec_len = count,
			       .category_mask = SCAN_WRITTEN,
			       .return_mask = SCAN_WRITTEN };
	int n = ioctl(fd, SCAN_CALL, &a);

	*at = a.walk_end;
	return n;
}

static int add_words(int fd, uint64_t start, uint64_t end, struct ranges *ret, struct err *e)
{
	uint64_t words[WORDS];

	while (start < end) {
		uint64_t want = (end - start) / PAGE_SIZE;

		if (want > WORDS)
			want = WORDS;
		if (io_pread(fd, words, want * 8, start / PAGE_SIZE * 8, e) < 0)
			return err_on(e, "'pagemap' of 0x%lx-0x%lx", start, end);
		for (uint64_t i = 0; i < want; i++, start += PAGE_SIZE)
			if (!(words[i] & WORD_PROTECTED) &&
			    ranges_append(ret, start, start + PAGE_SIZE, e) < 0)
				return e->code;
	}
	return 0;
}

/* n < 0: the call has failed. */
static int add_regions(const struct scan_region *regions, int n, struct ranges *ret, struct err *e)
{
	if (n < 0)
		return err_sys(e, "PAGEMAP_SCAN");
	for (int i = 0; i < n; i++)
		if (ranges_append(ret, regions[i].start, regions[i].end, e) < 0)
			return e->code;
	return 0;
}

int written_find(int fd, uint64_t start, uint64_t end, struct ranges *ret, struct err *e)
{
	struct scan_region regions[REGIONS];

	while (start < end) {
		int n = scan(fd, &start, end, regions, REGIONS);

		if (n < 0 && errno == ENOTTY)
			return add_words(fd, start, end, ret, e);
		if (add_regions(regions, n, ret, e) < 0)
			return e->code;
	}
	return 0;
}

int written_nothing(int fd, uint64_t start, uint64_t end, struct err *e)
{
	struct scan_region region;
	uint64_t at = start;
	int n = scan(fd, &at, end, &region, 1);

	if (n >= 0)
		return n == 0;
	if (errno != ENOTTY)
		return err_sys(e, "PAGEMAP_SCAN of 0x%lx-0x%lx", start, end);
	own_ranges found = { 0 };
	if (add_words(fd, start, end, &found, e) < 0)
		return e->code;
	return found.count == 0;
}

int written_find_protected(int fd, uint64_t start, uint64_t end, struct ranges *ret, struct err *e)
{
	struct scan_region regions[REGIONS];
	struct scan_args a = { .size = sizeof(a),
			       .start = start,
			       .end = end,
			       .vec = (uintptr_t)regions,
			       .vec_len = REGIONS,
			       .category_inverted = SCAN_WRITTEN,
			       .category_mask = SCAN_WRITTEN,
			       .category_anyof_mask = SCAN_PRESENT | SCAN_SWAPPED,
			       .return_mask = SCAN_WRITTEN };

	for (; a.start < end; a.start = a.walk_end)
		if (add_regions(regions, ioctl(fd, SCAN_CALL, &a), ret, e) < 0)
			return e->code;
	return 0;
}
