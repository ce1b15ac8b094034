/* Which pages are outstanding; see space.h. */
#include "lazy/space.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lib/io.h"
#include "lib/own.h"

enum { BITS = 64 };

static uint64_t end_of(const struct lazy_region *r)
{
	return r->at + r->pages * PAGE_SIZE;
}

static bool is_outstanding(const struct lazy_space *s, uint64_t number)
{
	return s->outstanding[number / BITS] >> number % BITS & 1;
}

/* As io_grow() has it. */
static struct lazy_region *copy_regions(const struct lazy_region *from, size_t count)
{
	size_t room = 8;
	struct lazy_region *copy;

	while (room < count)
		room *= 2;
	copy = malloc(room * sizeof(*copy));
	if (copy && count)
		memcpy(copy, from, count * sizeof(*copy));
	return copy;
}

int lazy_space_begin(struct lazy_space *s, struct err *e)
{
	size_t count = s->saved_count;
	own_mem struct lazy_region *regions = copy_regions(s->saved, count);

	s->numbers = count ? s->saved[count - 1].first + s->saved[count - 1].pages : 0;
	s->outstanding = calloc(s->numbers / BITS + 1, sizeof(*s->outstanding));
	if (!regions || !s->outstanding)
		return err_code(e, ENOMEM, "memory for %zu regions", count);
	memset(s->outstanding, 0xff, s->numbers / BITS * sizeof(*s->outstanding));
	for (uint64_t n = s->numbers / BITS * BITS; n < s->numbers; n++)
		s->outstanding[n / BITS] |= 1UL << n % BITS;
	s->regions = take_mem(regions);
	s->count = count;
	s->left = s->numbers;
	return 0;
}

void lazy_space_end(struct lazy_space *s)
{
	free(s->regions);
	free(s->outstanding);
	s->regions = NULL;
	s->outstanding = NULL;
	s->count = s->left = 0;
	s->uffd = -1;
}

int lazy_space_fork(const struct lazy_space *s, struct lazy_space *ret, struct err *e)
{
	struct lazy_space child = { .uffd = -1,
				    .pid = s->pid,
				    .saved = s->saved,
				    .saved_count = s->saved_count,
				    .numbers = s->numbers };

	child.regions = copy_regions(s->regions, s->count);
	child.outstanding = calloc(s->numbers / BITS + 1, sizeof(*child.outstanding));
	if (!child.regions || !child.outstanding) {
		lazy_space_end(&child);
		return err_code(e, ENOMEM, "memory for the pages of a child");
	}
	/* What the parent has is copied with it, unless it has got it since: it may look missing only here. */
	memcpy(child.outstanding, s->outstanding,
	       (s->numbers / BITS + 1) * sizeof(*child.outstanding));
	child.count = s->count;
	child.left = s->left;
	*ret = child;
	return 0;
}

/* The number of the first region that ends behind at. */
static size_t find(const struct lazy_space *s, uint64_t at)
{
	size_t low = 0, high = s->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (end_of(&s->regions[middle]) > at)
			high = middle;
		else
			low = middle + 1;
	}
	return low;
}

/* Where a number was when it was saved; *ret_left: so many follow it in a row. */
static uint64_t saved_at(const struct lazy_space *s, uint64_t number, uint64_t *ret_left)
{
	size_t low = 0, high = s->saved_count;

	while (high - low > 1) {
		size_t middle = low + (high - low) / 2;

		if (s->saved[middle].first <= number)
			low = middle;
		else
			high = middle;
	}
	*ret_left = s->saved[low].first + s->saved[low].pages - number;
	return s->saved[low].at + (number - s->saved[low].first) * PAGE_SIZE;
}

bool lazy_space_find(const struct lazy_space *s, uint64_t at, uint64_t low, uint64_t high,
		     struct lazy_row *ret)
{
	size_t n = find(s, at);
	const struct lazy_region *r = &s->regions[n];
	uint64_t first, last, number, left;

	if (n == s->count || r->at > at)
		return false;
	number = r->first + (at - r->at) / PAGE_SIZE;
	if (!is_outstanding(s, number))
		return false;
	first = low > r->at ? r->first + (low - r->at) / PAGE_SIZE : r->first;
	last = high < end_of(r) ? r->first + (high - r->at) / PAGE_SIZE : r->first + r->pages;
	ret->first = number;
	while (ret->first > first && is_outstanding(s, ret->first - 1))
		ret->first--;
	while (number < last && is_outstanding(s, number))
		number++;
	ret->at = r->at + (ret->first - r->first) * PAGE_SIZE;
	ret->vaddr = saved_at(s, ret->first, &left);
	ret->pages = number - ret->first < left ? number - ret->first : left;
	return true;
}

/* The next number from 'from' on that is outstanding, or end. */
static uint64_t next_outstanding(const struct lazy_space *s, uint64_t from, uint64_t end)
{
	while (from < end) {
		uint64_t word = s->outstanding[from / BITS] >> from % BITS;

		if (word) {
			from += __builtin_ctzll(word);
			return from < end ? from : end;
		}
		from = (from / BITS + 1) * BITS;
	}
	return end;
}

bool lazy_space_next(const struct lazy_space *s, uint64_t at, uint64_t max, struct lazy_row *ret)
{
	for (size_t n = find(s, at); n < s->count; n++) {
		const struct lazy_region *r = &s->regions[n];
		uint64_t from = r->first, end = r->first + r->pages, left;

		if (at > r->at)
			from += (at - r->at) / PAGE_SIZE;
		from = next_outstanding(s, from, end);
		if (from == end)
			continue;
		ret->first = from;
		ret->at = r->at + (from - r->first) * PAGE_SIZE;
		ret->vaddr = saved_at(s, from, &left);
		end = end - from < max ? end : from + max;
		end = end - from < left ? end : from + left;
		while (from < end && is_outstanding(s, from))
			from++;
		ret->pages = from - ret->first;
		return true;
	}
	return false;
}

void lazy_space_done(struct lazy_space *s, uint64_t first, uint64_t pages)
{
	for (uint64_t n = first; n < first + pages; n++) {
		s->left -= is_outstanding(s, n);
		s->outstanding[n / BITS] &= ~(1UL << n % BITS);
	}
}

static int insert(struct lazy_space *s, size_t n, struct lazy_region r, struct err *e)
{
	if (io_grow(&s->regions, s->count, sizeof(r), e) < 0)
		return e->code;
	memmove(&s->regions[n + 1], &s->regions[n], (s->count - n) * sizeof(r));
	s->regions[n] = r;
	s->count++;
	return 0;
}

/* Makes at the border of two regions; *ret: the one behind it. */
static int split(struct lazy_space *s, uint64_t at, size_t *ret, struct err *e)
{
	size_t n = find(s, at);
	struct lazy_region behind;
	uint64_t before;

	*ret = n;
	if (n == s->count || s->regions[n].at >= at)
		return 0;
	before = (at - s->regions[n].at) / PAGE_SIZE;
	behind = s->regions[n];
	behind.at = at;
	behind.pages -= before;
	behind.first += before;
	if (insert(s, n + 1, behind, e) < 0)
		return e->code;
	s->regions[n].pages = before;
	*ret = n + 1;
	return 0;
}

static void take_out(struct lazy_space *s, size_t from, size_t to)
{
	memmove(&s->regions[from], &s->regions[to], (s->count - to) * sizeof(*s->regions));
	s->count -= to - from;
}

int lazy_space_cut(struct lazy_space *s, uint64_t start, uint64_t end, struct err *e)
{
	size_t from, to;

	if (split(s, start, &from, e) < 0 || split(s, end, &to, e) < 0)
		return e->code;
	for (size_t n = from; n < to; n++)
		lazy_space_done(s, s->regions[n].first, s->regions[n].pages);
	take_out(s, from, to);
	return 0;
}

int lazy_space_move(struct lazy_space *s, uint64_t from, uint64_t to, uint64_t size, struct err *e)
{
	own_mem struct lazy_region *moved = NULL;
	size_t first, last, count, n;

	if (split(s, from, &first, e) < 0 || split(s, from + size, &last, e) < 0)
		return e->code;
	count = last - first;
	moved = copy_regions(&s->regions[first], count);
	if (!moved)
		return err_code(e, ENOMEM, "memory for %zu regions", count);
	take_out(s, first, last);
	if (lazy_space_cut(s, to, to + size, e) < 0)
		return e->code;
	n = find(s, to);
	for (size_t i = 0; i < count; i++) {
		moved[i].at = to + (moved[i].at - from);
		if (insert(s, n + i, moved[i], e) < 0)
			return e->code;
	}
	return 0;
}
