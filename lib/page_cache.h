/* Files that are not in the page cache, and reading them without bringing them in. */
#ifndef STASIS_LIB_PAGE_CACHE_H
#define STASIS_LIB_PAGE_CACHE_H

#include <stdbool.h>
#include <stdint.h>

/* Whether most of a file of this size is not cached: cachestat(2), Linux 6.5. Before that nobody knows, and it is taken to be. */
bool page_cache_lacks(int fd, uint64_t size);
/*
 * Opens the file behind a descriptor once more, with O_DIRECT: for memory, places and sizes that are multiples of a page. -1:
 * its file system, or its disk, does not do that.
 */
int page_cache_pass(int fd);

#endif
