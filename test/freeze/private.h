/*
 * What changes the memory of a process behind the back of who watches it, in memory of the disturbing worker's own. It is
 * the only one of its process that maps or unmaps, so nothing else can take a range that it leaves free for a moment.
 */
#ifndef STASIS_TEST_PRIVATE_H
#define STASIS_TEST_PRIVATE_H

#include <time.h>

#include "test/freeze/crew.h"

enum { FEW = 8, MANY = 64, HEAP_PAGES = 64, BIG_PAGES = 1024, HUGE = 2 << 20 };
#ifndef MADV_COLLAPSE
#define MADV_COLLAPSE 25
#endif

enum { HEAP_ID = 0x200, BIG_ID };

static struct region heap, big;

/* Now and then for so long that a dump falls into it. */
static void linger(uint64_t dice)
{
	struct timespec some = { 0, 400000 };

	if (dice % 4 == 0)
		nanosleep(&some, NULL);
}

static void write_some(struct region *r, uint64_t dice)
{
	for (int i = 0; i < FEW && r->pages; i++) {
		dice = mixed(dice + 1);
		region_write(r, dice % r->pages);
	}
}

/* A part of the region: up to MANY pages, which are as they should be. */
static uint32_t part_of(const struct region *r, uint64_t dice, uint32_t *ret_count)
{
	uint32_t from;

	*ret_count = 1 + (dice >> 8) % MANY;
	from = (dice >> 16) % (r->pages - *ret_count + 1);
	region_check_part(r, from, *ret_count);
	return from;
}

/* The worker's own memory consists of several mappings by now, some of them shared. */
static bool in_parts;

static void whole_again(struct worker *w)
{
	struct region *r = &w->own;

	if (!in_parts)
		return;
	region_check(r);
	SYS(munmap(r->at, r->pages * PAGE));
	r->at = map_private(r->pages * PAGE);
	region_zeroed(r, 0, r->pages);
	in_parts = false;
}

static void do_none(struct worker *w, uint64_t dice)
{
	if (pace != IDLE)
		write_some(&w->own, dice);
	if (pace != FULL)
		victim_sleep_ms(1);
}

static void do_unmap(struct worker *w, uint64_t dice)
{
	struct region *r = &w->own;
	uint32_t count, from = part_of(r, dice, &count);
	void *at = r->at + from;

	in_parts = true;
	SYS(munmap(at, count * PAGE));
	linger(dice);
	SAME(SYS(mmap(at, count * PAGE, WRITABLE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE,
		      -1, 0)),
	     at);
	region_zeroed(r, from, count);
	write_some(r, dice);
}

/* To a place that was something else until now. */
static void move_over(struct region *r, size_t size)
{
	void *to = SYS(mmap(NULL, size, NOT_ACCESSIBLE, -1, 0));

	r->at = SYS(mremap(r->at, size, size, MREMAP_MAYMOVE | MREMAP_FIXED, to));
}

/* What was there stays mapped, with nothing in it. */
static void move_away(struct region *r, size_t size, uint64_t dice)
{
	struct page *was = r->at;

	r->at = SYS(mremap(was, size, size, MREMAP_MAYMOVE | MREMAP_DONTUNMAP, NULL));
	linger(dice);
	CHECK(page_is_zero(&was[dice % r->pages]));
	SYS(munmap(was, size));
}

static void shrink_and_grow(struct region *r, size_t size, uint64_t dice)
{
	uint32_t less = 1 + (dice >> 8) % (r->pages / 2), left = r->pages - less;

	region_check_part(r, left, less);
	SAME(SYS(mremap(r->at, size, left * PAGE, 0)), r->at);
	r->pages = left;
	write_some(r, dice);
	linger(dice);
	r->at = SYS(mremap(r->at, left * PAGE, size, MREMAP_MAYMOVE));
	r->pages += less;
	region_zeroed(r, left, less);
}

static void do_move(struct worker *w, uint64_t dice)
{
	struct region *r = &w->own;
	size_t size = r->pages * PAGE;

	whole_again(w);
	if (dice % 3 == 0)
		move_over(r, size);
	else if (dice % 3 == 1)
		move_away(r, size, dice >> 2);
	else
		shrink_and_grow(r, size, dice >> 2);
	write_some(r, dice);
}

/* Private, shared, or with its pages there from the start. */
static void do_fixed(struct worker *w, uint64_t dice)
{
	static const int flags[] = { MAP_PRIVATE, MAP_PRIVATE | MAP_POPULATE, MAP_SHARED,
				     MAP_PRIVATE | MAP_NORESERVE };
	struct region *r = &w->own;
	uint32_t count, from = part_of(r, dice, &count);

	in_parts = true;
	SYS(mmap(r->at + from, count * PAGE, WRITABLE, flags[dice % 4] | MAP_ANONYMOUS | MAP_FIXED,
		 -1, 0));
	region_zeroed(r, from, count);
	write_some(r, dice);
}

static void do_dontneed(struct worker *w, uint64_t dice)
{
	struct region *r = &w->own;
	uint32_t count, from = part_of(r, dice, &count);

	whole_again(w);
	SYS(madvise(r->at + from, count * PAGE, MADV_DONTNEED));
	region_zeroed(r, from, count);
	write_some(r, dice);
}

static void do_free(struct worker *w, uint64_t dice)
{
	struct region *r = &w->own;
	uint32_t count, from = part_of(r, dice, &count);

	whole_again(w);
	SYS(madvise(r->at + from, count * PAGE, MADV_FREE));
	for (uint32_t i = from; i < from + count; i++)
		if (r->want[i])
			r->want[i] |= STAMP_LAZY;
	write_some(r, dice);
}

static void do_protect(struct worker *w, uint64_t dice)
{
	struct region *r = &w->own;
	uint32_t count, from = part_of(r, dice, &count);

	in_parts = true;
	SYS(mprotect(r->at + from, count * PAGE, PROT_NONE));
	linger(dice);
	SYS(mprotect(r->at + from, count * PAGE, PROT_READ));
	region_check_page(r, from);
	linger(dice >> 2);
	SYS(mprotect(r->at + from, count * PAGE, WRITABLE));
	write_some(r, dice);
}

/* Only while nobody else has taken more of the heap. */
static void do_brk(struct worker *w, uint64_t dice)
{
	struct region *r = &heap;
	/* More than FEW, so that never all are written at once. */
	uint32_t pages = 2 * FEW + dice % (HEAP_PAGES - 2 * FEW);
	intptr_t more;

	if (!r->want) {
		region_book(r, "heap", HEAP_ID, HEAP_PAGES);
		SYS(sbrk(-(uintptr_t)sbrk(0) & (PAGE - 1)));
		r->at = sbrk(0);
		r->process = w->process;
	}
	if (sbrk(0) != r->at + r->pages)
		return;
	region_check_part(r, 0, r->pages);
	more = (intptr_t)pages - (intptr_t)r->pages;
	SYS(sbrk(more * (intptr_t)PAGE));
	if (more > 0)
		region_zeroed(r, r->pages, more);
	r->pages = pages;
	write_some(r, dice);
	linger(dice);
}

static const char *lacks_huge(void)
{
	char text[64] = "";
	FILE *f = fopen("/sys/kernel/mm/transparent_hugepage/enabled", "re");

	if (f && !fgets(text, sizeof(text), f))
		text[0] = 0;
	if (f)
		fclose(f);
	return *text && !strstr(text, "[never]") ? NULL : "there are no transparent huge pages";
}

/* Only parts of what can be one huge page. */
static void huge_make(struct region *r, int number)
{
	char *at = map_private((BIG_PAGES + HUGE / PAGE) * PAGE);

	region_book(r, "huge pages", BIG_ID, BIG_PAGES);
	r->at = (struct page *)(((uintptr_t)at + HUGE - 1) & -(uintptr_t)HUGE);
	r->pages = BIG_PAGES;
	r->process = number;
	SYS(madvise(r->at, BIG_PAGES * PAGE, MADV_HUGEPAGE));
}

static void do_huge(struct worker *w, uint64_t dice)
{
	struct region *r = &big;
	uint32_t half = (dice >> 4) % 2 * (HUGE / PAGE), count, from;

	if (!r->want)
		huge_make(r, w->process);
	from = part_of(r, dice, &count);
	if (dice % 5 == 0) {
		SYS(mprotect(r->at + from, count * PAGE, PROT_READ));
		linger(dice >> 2);
		SYS(mprotect(r->at + from, count * PAGE, WRITABLE));
	} else if (dice % 5 == 1) {
		SYS(munmap(r->at + from, count * PAGE));
		SYS(mmap(r->at + from, count * PAGE, WRITABLE,
			 MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0));
		SYS(madvise(r->at + from, count * PAGE, MADV_HUGEPAGE));
		region_zeroed(r, from, count);
	} else if (dice % 5 == 2) {
		SYS(madvise(r->at + from, count * PAGE, MADV_DONTNEED));
		region_zeroed(r, from, count);
	} else if (dice % 5 == 3) {
		region_check_part(r, half, HUGE / PAGE);
		SYS(madvise(r->at + half, HUGE, MADV_DONTNEED));
		region_zeroed(r, half, HUGE / PAGE);
	} else {
		/* It may have no page to give, or nothing to do. */
		(void)madvise(r->at + half, HUGE, MADV_COLLAPSE);
	}
	write_some(r, dice);
}

static const char *lacks_swap(void)
{
	FILE *f = fopen("/proc/swaps", "re");
	char line[256];
	int lines = 0;

	while (f && fgets(line, sizeof(line), f))
		lines++;
	if (f)
		fclose(f);
	return lines > 1 ? NULL : "there is no swap space";
}

static void do_swap(struct worker *w, uint64_t dice)
{
	struct region *r = &w->own;
	uint32_t count, from = part_of(r, dice, &count);

	SYS(madvise(r->at + from, count * PAGE, MADV_PAGEOUT));
	write_some(r, dice);
}

#endif
