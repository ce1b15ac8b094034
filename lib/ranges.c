/* Sets of addresses; see ranges.h. */
#include "lib/ranges.h"

#include <assert.h>
#include <stdlib.h>

#include "lib/io.h"

void ranges_free(struct ranges *r)
{
	free(r->all);
	*r = (struct ranges){ 0 };
}

int ranges_append(struct ranges *r, uint64_t start, uint64_t end, struct err *e)
{
	struct range *last = r->count ? &r->all[r->count - 1] : NULL;

	assert(start < end && (!last || last->end <= start));
	if (last && last->end == start) {
		last->end = end;
		return 0;
	}
	if (io_grow(&r->all, r->count, sizeof(*r->all), e) < 0)
		return e->code;
	r->all[r->count++] = (struct range){ start, end };
	return 0;
}

/* The next of two lists by its start, or NULL. */
static const struct range *take_lower(const struct ranges *a, size_t *i, const struct ranges *b,
				      size_t *k)
{
	if (*i == a->count && *k == b->count)
		return NULL;
	if (*k == b->count || (*i < a->count && a->all[*i].start <= b->all[*k].start))
		return &a->all[(*i)++];
	return &b->all[(*k)++];
}

int ranges_unite(struct ranges *r, const struct ranges *more, struct err *e)
{
	own_ranges out = { 0 };
	const struct range *next;
	size_t i = 0, k = 0;

	if (!more->count)
		return 0;
	while ((next = take_lower(r, &i, more, &k))) {
		struct range *last = out.count ? &out.all[out.count - 1] : NULL;

		if (last && next->start <= last->end)
			last->end = next->end > last->end ? next->end : last->end;
		else if (ranges_append(&out, next->start, next->end, e) < 0)
			return e->code;
	}
	ranges_free(r);
	*r = out;
	out = (struct ranges){ 0 };
	return 0;
}

size_t ranges_find(const struct ranges *r, uint64_t at)
{
	size_t low = 0, high = r->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (r->all[middle].end > at)
			high = middle;
		else
			low = middle + 1;
	}
	return low;
}

bool ranges_hold(const struct ranges *r, uint64_t at, uint64_t end, uint64_t *ret_end)
{
	size_t n = ranges_find(r, at);
	bool held = n < r->count && r->all[n].start <= at;
	uint64_t change = n == r->count ? end : held ? r->all[n].end : r->all[n].start;

	*ret_end = change < end ? change : end;
	return held;
}

uint64_t ranges_size(const struct ranges *r)
{
	uint64_t size = 0;

	for (size_t i = 0; i < r->count; i++)
		size += r->all[i].end - r->all[i].start;
	return size;
}
