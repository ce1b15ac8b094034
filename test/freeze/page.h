/*
 * Memory that tells which moment it is of.
 *
 * Every page of a region carries its own number, the step that wrote it last (its stamp), words that follow from both,
 * and their sum. While a page is being written its stamp says so, so that a torn page shows.
 *
 * What each page must hold stands in memory of its own: the stamp (want), and a log of the steps in their order. A page
 * that is newer or older than they say is of another moment, and so is a part of the book that does not agree with the
 * other one. Who takes the steps has their count in a register and on its stack as well.
 */
#ifndef STASIS_TEST_PAGE_H
#define STASIS_TEST_PAGE_H

#include <sys/mman.h>

#include "test/lib/victim.h"

#define PAGE 4096UL
#define PAGE_WORDS (PAGE / 8 - 3)

/* A stamp is step << 4 | process; 0 is a page of zeros. */
#define STAMP_WRITING (1ULL << 63) /* in the page: it is being written */
#define STAMP_LAZY (1ULL << 62)	   /* in the book: the kernel may have taken it (MADV_FREE) */
#define LOG_ZEROED (1ULL << 31)
#define NOT_ACCESSIBLE PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS
#define WRITABLE (PROT_READ | PROT_WRITE)

struct page {
	uint64_t number, stamp, sum, word[PAGE_WORDS];
};

struct region {
	const char *name;
	uint64_t id;
	struct page *at;
	uint32_t pages, room; /* now, at most */
	uint32_t log_size;
	uint64_t process, head;
	uint64_t *want; /* room of them: the stamp of each page */
	uint64_t *log;	/* step i at i % log_size: its number << 32 | its page */
	uint8_t *seen;
	bool by_block; /* pages are blocks of a file, stamp: which one, + 1 */
};

static inline uint64_t mixed(uint64_t x)
{
	x = (x ^ x >> 31) * 0x9e3779b97f4a7c15ULL;
	x = (x ^ x >> 29) * 0xbf58476d1ce4e5b9ULL;
	return x ^ x >> 32;
}

#define COMPILER_ORDER() __asm__ volatile("" ::: "memory")

static inline void page_write(struct page *p, uint64_t number, uint64_t stamp)
{
	uint64_t seed = mixed(number ^ mixed(stamp)), sum = 0;

	*(volatile uint64_t *)&p->stamp = STAMP_WRITING | stamp;
	p->number = number;
	COMPILER_ORDER();
	for (uint64_t i = 0; i < PAGE_WORDS; i++) {
		uint64_t word = seed + (i << 32 | i);

		p->word[i] = word;
		sum += word;
	}
	p->sum = sum;
	COMPILER_ORDER();
	*(volatile uint64_t *)&p->stamp = stamp;
}

/* The first word that is not as it should be; -1: all are. */
static inline int page_differs(const struct page *p, uint64_t number, uint64_t stamp)
{
	uint64_t seed = mixed(number ^ mixed(stamp)), sum = 0, wrong = 0;

	for (uint64_t i = 0; i < PAGE_WORDS; i++) {
		wrong |= p->word[i] ^ (seed + (i << 32 | i));
		sum += p->word[i];
	}
	if (p->number == number && p->stamp == stamp && p->sum == sum && !wrong)
		return -1;
	for (uint64_t i = 0; i < PAGE_WORDS; i++)
		if (p->word[i] != seed + (i << 32 | i))
			return i + 3;
	return 0;
}

static inline bool page_is_zero(const struct page *p)
{
	const uint64_t *word = (const uint64_t *)p;
	uint64_t any = 0;

	for (size_t i = 0; i < PAGE / 8; i++)
		any |= word[i];
	return !any;
}

static inline void page_check(const struct page *p, uint64_t number, uint64_t want,
			      const char *name)
{
	uint64_t stamp = want & ~STAMP_LAZY;
	int word;

	if (stamp != want && page_is_zero(p))
		return;
	if (stamp == 0) {
		CHECK(page_is_zero(p), "page %u of '%s' (%p) must be zeros, its stamp is 0x%llx",
		      (uint32_t)number, name, (const void *)p, (long long)p->stamp);
		return;
	}
	word = page_differs(p, number, stamp);
	CHECK(word < 0,
	      "page %u of '%s' (%p): its stamp is 0x%llx, the book says 0x%llx; its number is 0x%llx, its "
	      "first wrong word %d",
	      (uint32_t)number, name, (const void *)p, (long long)p->stamp, (long long)stamp,
	      (long long)p->number, word);
}

static inline void *map_private(size_t size)
{
	return SYS(mmap(NULL, size, WRITABLE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
}

/* The book only; at is set by the caller. */
static inline void region_book(struct region *r, const char *name, uint64_t id, uint32_t room)
{
	*r = (struct region){ .name = name, .id = id, .room = room, .log_size = 4 * room };
	r->want = map_private(room * sizeof(*r->want));
	r->log = map_private(r->log_size * sizeof(*r->log));
	r->seen = map_private(room);
}

/* Private memory, all zeros. */
static inline void region_make(struct region *r, const char *name, uint64_t id, uint32_t pages)
{
	region_book(r, name, id, pages);
	r->at = map_private(pages * PAGE);
	r->pages = pages;
}

static inline uint64_t region_number(const struct region *r, uint32_t page)
{
	uint64_t index = r->by_block ? (r->want[page] & ~STAMP_LAZY) - 1 : page;

	return r->id << 32 | (uint32_t)index;
}

static inline void region_check_page(const struct region *r, uint32_t page)
{
	page_check(&r->at[page], region_number(r, page), r->want[page], r->name);
}

static inline uint64_t region_stamp(const struct region *r)
{
	return (r->head + 1) << 4 | r->process;
}

/* The step that is replaced in the log must be the one that was there. */
static inline void region_log(struct region *r, uint64_t entry)
{
	uint64_t *place = &r->log[r->head % r->log_size], was = r->head - r->log_size;

	if (r->head >= r->log_size)
		CHECK(*place >> 32 == (was & UINT32_MAX), "step %lld of '%s' is %lld in the log",
		      (long long)was, r->name, (long long)*place >> 32);
	*place = r->head << 32 | entry;
}

/* One step: the page has this stamp from now on. */
static inline void region_note(struct region *r, uint32_t page, uint64_t stamp)
{
	region_log(r, page | (stamp ? 0 : LOG_ZEROED));
	r->want[page] = stamp;
	r->head++;
}

static inline void region_write(struct region *r, uint32_t page)
{
	uint64_t stamp = region_stamp(r);

	region_check_page(r, page);
	page_write(&r->at[page], r->id << 32 | page, stamp);
	region_note(r, page, stamp);
}

static inline void region_zeroed(struct region *r, uint32_t from, uint32_t count)
{
	for (uint32_t i = from; i < from + count; i++)
		region_note(r, i, 0);
}

static inline void region_check_log(struct region *r)
{
	uint64_t first = r->head > r->log_size ? r->head - r->log_size : 0;

	memset(r->seen, 0, r->room);
	for (uint64_t i = r->head; i-- > first;) {
		uint64_t entry = r->log[i % r->log_size], want;
		uint32_t page = entry & (LOG_ZEROED - 1);

		CHECK(entry >> 32 == (i & UINT32_MAX) && page < r->room,
		      "step %lld of '%s' is 0x%llx in the log", (long long)i, r->name,
		      (long long)entry);
		if (r->seen[page]++ || r->by_block)
			continue;
		want = r->want[page] & ~STAMP_LAZY;
		CHECK(want == (entry & LOG_ZEROED ? 0 : (i + 1) << 4 | (want & 15)),
		      "the last step of page %u of '%s' is %lld, the book has the stamp 0x%llx",
		      page, r->name, (long long)i + 1, (long long)want);
	}
}

/* Before they are given away, nobody looks at them again. */
static inline void region_check_part(const struct region *r, uint32_t from, uint32_t count)
{
	for (uint32_t i = from; i < from + count; i++)
		region_check_page(r, i);
}

/* Only by who takes its steps, or while that one waits. */
static inline void region_check(struct region *r)
{
	region_check_part(r, 0, r->pages);
	region_check_log(r);
}

#endif
