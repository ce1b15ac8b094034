/* Pages that are all zero. */
#ifndef STASIS_LIB_ZERO_H
#define STASIS_LIB_ZERO_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "lib/io.h"

/* Most pages that are not zero show it with their first word. */
static inline bool page_is_zero(const void *page)
{
	const uint64_t *words = page;

	return words[0] == 0 && memcmp(words, words + 1, PAGE_SIZE - sizeof(*words)) == 0;
}

#endif
