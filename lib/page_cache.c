/* Past the page cache; see page_cache.h. */
#include "lib/page_cache.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "lib/io.h"
#include "lib/own.h"

/* From linux/mman.h; the headers of Debian 12 are older than the call. */
enum { CALL_CACHESTAT = 451 };
struct cache_range {
	uint64_t start, bytes; /* 0 bytes: to the end */
};
struct cache_counts {
	uint64_t cached, dirty, in_writeback, evicted, recently_evicted; /* pages */
};

/* The kernel looks at every page, so of a large file some places have to be enough. */
enum { PLACES = 64, PLACE = 64 * PAGE_SIZE };

bool page_cache_lacks(int fd, uint64_t size)
{
	uint64_t step = size / PLACES / PAGE_SIZE * PAGE_SIZE, looked = 0, cached = 0;

	if (step < PLACE)
		step = PLACE;
	for (uint64_t at = 0; at < size; at += step) {
		struct cache_range place = { at, size - at < PLACE ? size - at : PLACE };
		struct cache_counts counts;

		if (syscall(CALL_CACHESTAT, fd, &place, &counts, 0) < 0)
			return false;
		looked += place.bytes / PAGE_SIZE;
		cached += counts.cached;
	}
	return cached < looked / 4;
}

int page_cache_pass(int fd)
{
	own_mem void *page = aligned_alloc(PAGE_SIZE, PAGE_SIZE);
	char path[32];

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	own_fd direct = open(path, O_RDONLY | O_DIRECT | O_CLOEXEC);
	/* Some take the flag and want more of a place than to be a multiple of a page. */
	if (!page || direct < 0 || pread(direct, page, PAGE_SIZE, PAGE_SIZE) < 0)
		return -1;
	return take_fd(&direct);
}
