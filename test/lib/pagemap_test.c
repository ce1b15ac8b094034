/* Runs of pages, asked for in both ways. */
#include "lib/pagemap.h"

#include <fcntl.h>
#include <sys/mman.h>

#include "lib/io.h"
#include "lib/own.h"
#include "test/lib/unit.h"

#ifndef MADV_GUARD_INSTALL
#define MADV_GUARD_INSTALL 102
#endif

enum { PAGES = 20000 };

static struct pagemap map;
static char *area;

static void open_map(bool scans)
{
	struct err e = {};
	own_fd proc = open("/proc/self", O_DIRECTORY | O_CLOEXEC);

	assert(pagemap_open(proc, &map, &e) == 0);
	if (scans && !map.scans)
		unit_skip("no PAGEMAP_SCAN");
	map.scans = scans;
	area = mmap(NULL, PAGES * PAGE_SIZE, PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	assert(area != MAP_FAILED && madvise(area, PAGES * PAGE_SIZE, MADV_NOHUGEPAGE) == 0);
}

static void next_is(uint64_t from, uint64_t to)
{
	struct page_range r;
	struct err e = {};

	assert(pagemap_next(&map, &r, &e) == 1);
	assert(r.start == (uintptr_t)area + from * PAGE_SIZE);
	assert(r.end == (uintptr_t)area + to * PAGE_SIZE);
}

static void no_more(void)
{
	struct page_range r;
	struct err e = {};

	assert(pagemap_next(&map, &r, &e) == 0);
	assert(pagemap_next(&map, &r, &e) == 0);
}

static void ask(uint64_t from, uint64_t to, enum pagemap_want want)
{
	pagemap_range(&map, (uintptr_t)area + from * PAGE_SIZE, (uintptr_t)area + to * PAGE_SIZE,
		      want);
}

static void runs_of_private_pages(void)
{
	for (int i = 3; i < 9; i++)
		area[i * PAGE_SIZE] = 1;
	assert(mprotect(area + 5 * PAGE_SIZE, PAGE_SIZE, PROT_NONE) == 0);
	(void)*(volatile char *)(area + 12 * PAGE_SIZE); /* the zero page */
	area[PAGES * PAGE_SIZE - 1] = 1;
	ask(0, PAGES, PAGEMAP_PRIVATE);
	next_is(3, 9);
	next_is(PAGES - 1, PAGES);
	no_more();
	ask(4, 6, PAGEMAP_PRIVATE);
	next_is(4, 6);
	no_more();
	ask(0, 20, PAGEMAP_HELD);
	next_is(3, 9);
	next_is(12, 13);
	no_more();
}

static void runs_longer_than_a_batch(void)
{
	for (int i = 1; i < PAGES; i++)
		area[i * PAGE_SIZE] = 1;
	ask(0, PAGES, PAGEMAP_PRIVATE);
	next_is(1, PAGES);
	no_more();
}

static void many_runs(void)
{
	for (int i = 0; i < PAGES; i += 3)
		area[i * PAGE_SIZE] = 1;
	ask(0, PAGES, PAGEMAP_PRIVATE);
	for (int i = 0; i < PAGES; i += 3)
		next_is(i, i + 1);
	no_more();
}

static void files_are_not_private(void)
{
	int fd = memfd_create("file", MFD_CLOEXEC);

	assert(ftruncate(fd, 8 * PAGE_SIZE) == 0);
	assert(mmap(area, 8 * PAGE_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_FIXED, fd, 0) ==
	       area);
	for (int i = 0; i < 8; i++)
		(void)*(volatile char *)(area + i * PAGE_SIZE);
	area[2 * PAGE_SIZE] = 1;
	ask(0, 8, PAGEMAP_PRIVATE);
	next_is(2, 3);
	no_more();
	ask(0, 8, PAGEMAP_HELD);
	next_is(0, 8);
	no_more();
}

static void guards(void)
{
	if (madvise(area + 2 * PAGE_SIZE, 3 * PAGE_SIZE, MADV_GUARD_INSTALL) < 0)
		unit_skip("no guard regions");
	if (!map.tells_guards)
		unit_skip("the kernel does not tell guard regions");
	area[PAGE_SIZE] = 1;
	ask(0, 8, PAGEMAP_PRIVATE);
	next_is(1, 2);
	no_more();
	ask(0, 8, PAGEMAP_HELD);
	next_is(1, 2);
	no_more();
	ask(0, 8, PAGEMAP_GUARD);
	next_is(2, 5);
	no_more();
}

#define BOTH_WAYS(test)                \
	static void test##_scan(void)  \
	{                              \
		open_map(true);        \
		test();                \
	}                              \
	static void test##_words(void) \
	{                              \
		open_map(false);       \
		test();                \
	}

BOTH_WAYS(runs_of_private_pages)
BOTH_WAYS(runs_longer_than_a_batch)
BOTH_WAYS(many_runs)
BOTH_WAYS(files_are_not_private)
BOTH_WAYS(guards)

int main(void)
{
	return unit_run((struct unit[]){
		UNIT(runs_of_private_pages_scan),
		UNIT(runs_of_private_pages_words),
		UNIT(runs_longer_than_a_batch_scan),
		UNIT(runs_longer_than_a_batch_words),
		UNIT(many_runs_scan),
		UNIT(many_runs_words),
		UNIT(files_are_not_private_scan),
		UNIT(files_are_not_private_words),
		UNIT(guards_scan),
		UNIT(guards_words),
		{},
	});
}
