/*
 * What has been written since a userfaultfd protected it: PAGEMAP_SCAN's short cut for exactly this question (Linux 6.7), or
 * bit 57 of the words of /proc/PID/pagemap (5.13). A page that is not there any more counts as written.
 *
 * Nothing here has a state, so several threads may ask at once.
 */
#ifndef STASIS_LIB_WRITTEN_H
#define STASIS_LIB_WRITTEN_H

#include <stdint.h>

#include "lib/err.h"
#include "lib/ranges.h"

/* Adds what was written of [start,end) to the set; pagemap_fd is /proc/PID/pagemap. */
must_check int written_find(int pagemap_fd, uint64_t start, uint64_t end, struct ranges *ret,
			    struct err *e);
/* Whether nothing was: 1, 0, or an error. */
must_check int written_nothing(int pagemap_fd, uint64_t start, uint64_t end, struct err *e);
/* Adds the pages of [start,end) that are there and still protected. ENOTTY: the kernel cannot be asked. */
must_check int written_find_protected(int pagemap_fd, uint64_t start, uint64_t end,
				      struct ranges *ret, struct err *e);

#endif
