/* Sets of addresses, as ascending ranges that do not touch each other. */
#ifndef STASIS_LIB_RANGES_H
#define STASIS_LIB_RANGES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/err.h"

struct range {
	uint64_t start, end;
};

struct ranges {
	struct range *all;
	size_t count;
};

void ranges_free(struct ranges *r);
#define own_ranges __attribute__((cleanup(ranges_free))) struct ranges
/* Behind all that are there, or touching the last one. */
must_check int ranges_append(struct ranges *r, uint64_t start, uint64_t end, struct err *e);
/* Adds all of more. */
must_check int ranges_unite(struct ranges *r, const struct ranges *more, struct err *e);
/* The number of the first range that ends behind at; count when there is none. */
size_t ranges_find(const struct ranges *r, uint64_t at);
/* Whether the set holds at, which is below end. *ret_end is where that changes, or end if it does not before. */
bool ranges_hold(const struct ranges *r, uint64_t at, uint64_t end, uint64_t *ret_end);
/* The sum of their lengths. */
uint64_t ranges_size(const struct ranges *r);

#endif
