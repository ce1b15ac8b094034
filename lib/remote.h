/* Small pieces of another process's memory, many with one call. */
#ifndef STASIS_LIB_REMOTE_H
#define STASIS_LIB_REMOTE_H

#include <stddef.h>
#include <stdint.h>

#include "lib/err.h"

struct remote_pieces {
	int pid;
	const uint64_t *at; /* address 0 gives zeros */
	size_t count, size; /* bytes of each */
};

/* One behind the other into ret. What cannot be read gives zeros: it would mean nothing to the kernel either. */
must_check int remote_gather(const struct remote_pieces *p, void *ret, struct err *e);

#endif
