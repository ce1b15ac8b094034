/*
 * Shared memory that changes other than by its mapping: holes, an object that becomes shorter and longer, writes to its
 * descriptor, and writes through a second mapping of the same process.
 */
#ifndef STASIS_TEST_OBJECTS_H
#define STASIS_TEST_OBJECTS_H

#include <fcntl.h>

#include "test/freeze/private.h"

/* A hole in one of the kinds, by its mapping or by its descriptor. */
static void do_remove(struct worker *w, uint64_t dice)
{
	struct kind *k = &kinds[dice % KINDS];
	uint32_t count = 1 + (dice >> 8) % 32;
	uint32_t from = FIRST_PAGE + (dice >> 16) % (shared_pages - count - FIRST_PAGE);

	if (!shared_lock_range(k, from, count))
		return;
	if (k == &kinds[MEMFD] && dice >> 63)
		SYS(fallocate(shared_memfd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, from * PAGE,
			      count * PAGE));
	else
		SYS(madvise(&k->at[from], count * PAGE, MADV_REMOVE));
	shared_zeroed(k, from, count);
	shared_write(w, k - kinds, from);
}

/* A hole for so long that a round falls into it, and then what was there before: the folder of that round has nothing of it. */
static void do_revive(struct worker *w, uint64_t dice)
{
	struct kind *k = &kinds[dice % KINDS];
	uint32_t count = 1 + (dice >> 8) % 64;
	uint32_t from = FIRST_PAGE + (dice >> 16) % (shared_pages - count - FIRST_PAGE);

	(void)w;
	if (!shared_lock_range(k, from, count))
		return;
	SYS(madvise(&k->at[from], count * PAGE, MADV_REMOVE));
	victim_sleep_ms(1 + (dice >> 32) % 8);
	for (uint32_t i = from; i < from + count; i++) {
		if (k->page[i].want)
			page_write(&k->at[i], shared_number(k, i), k->page[i].want);
		shared_check_page(k, i);
		shared_unlock(k, i);
	}
}

/* The last quarter of the memfd is not there for a while; the mappings reach over its end. */
static void do_truncate(struct worker *w, uint64_t dice)
{
	struct kind *k = &kinds[MEMFD];
	uint32_t count = shared_pages / 4, from = shared_pages - count;

	(void)w;
	if (!shared_lock_range(k, from, count))
		return;
	SYS(ftruncate(shared_memfd, from * PAGE + dice % PAGE));
	linger(dice >> 12);
	SYS(ftruncate(shared_memfd, from * PAGE));
	linger(dice >> 14);
	SYS(ftruncate(shared_memfd, shared_pages * PAGE));
	shared_zeroed(k, from, count);
	linger(dice >> 12);
}

/* The page is locked; what was written has this stamp. */
static void shared_written(struct worker *w, int number, uint32_t page)
{
	struct shared_page *p = &kinds[number].page[page];

	p->want = ++p->version << 4 | w->process;
	w->written[number][page]++;
	shared_check_page(&kinds[number], page);
	shared_unlock(&kinds[number], page);
}

/* No page table is in between, so no fault and no mark of a written page. */
static void do_pwrite(struct worker *w, uint64_t dice)
{
	static struct page out __attribute__((aligned(4096)));
	uint32_t page = FIRST_PAGE + dice % (shared_pages - FIRST_PAGE);
	struct kind *k = &kinds[MEMFD];

	if (!shared_lock(k, page))
		return;
	shared_check_page(k, page);
	page_write(&out, shared_number(k, page), (k->page[page].version + 1) << 4 | w->process);
	SAME(SYS(pwrite(shared_memfd, &out, PAGE, page * PAGE)), PAGE);
	shared_written(w, MEMFD, page);
}

/* The same memory at another place: of the memfd by its descriptor, of the others by mremap(). */
static void do_alias(struct worker *w, uint64_t dice)
{
	static struct page *alias[KINDS];
	uint32_t page = FIRST_PAGE + (dice >> 8) % (shared_pages - FIRST_PAGE);
	int number = dice % KINDS;
	struct kind *k = &kinds[number];
	size_t size = shared_pages * PAGE;

	if (!alias[number] && number == MEMFD)
		alias[number] = SYS(mmap(NULL, size, WRITABLE, MAP_SHARED, shared_memfd, 0));
	else if (!alias[number])
		alias[number] = SYS(mremap(k->at, 0, size, MREMAP_MAYMOVE));
	if (!shared_lock(k, page))
		return;
	page_check(&alias[number][page], shared_number(k, page), k->page[page].want, k->name);
	page_write(&alias[number][page], shared_number(k, page),
		   (k->page[page].version + 1) << 4 | w->process);
	shared_written(w, number, page);
}

#endif
