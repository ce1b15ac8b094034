/* Pages of protected memory, held against what PAGEMAP_SCAN says page by page. */
#include "lib/protected.h"

#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#include "lib/io.h"
#include "lib/own.h"
#include "lib/uffd.h"
#include "test/lib/unit.h"

#ifndef MADV_GUARD_INSTALL
#define MADV_GUARD_INSTALL 102
#define MADV_GUARD_REMOVE 103
#endif

enum { TABLES = 8, IN_TABLE = 512, PAGES = TABLES * IN_TABLE, MORE = 1000 };

static struct pagemap map;
static char *area; /* on a boundary of tables */
static int uffd;
static struct err err;

#define MUST(call) (call < 0 ? fprintf(stderr, "%s: %s\n", #call, err.text), abort() : (void)0)

static void touch(size_t page)
{
	area[page * PAGE_SIZE] = 1;
}

static void protect_all(void)
{
	struct page_range r;
	int got;

	map.protects = true;
	pagemap_range(&map, (uintptr_t)area, (uintptr_t)area + PAGES * PAGE_SIZE, PAGEMAP_WRITTEN);
	while ((got = pagemap_next(&map, &r, &err)) > 0)
		;
	MUST(got);
	map.protects = false;
}

static void set_up(int advice)
{
	own_fd proc = open("/proc/self", O_DIRECTORY | O_CLOEXEC);
	char *at = mmap(NULL, (PAGES + IN_TABLE) * PAGE_SIZE, PROT_READ | PROT_WRITE,
			MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	MUST(pagemap_open(proc, &map, &err));
	if (!map.scans)
		unit_skip("no PAGEMAP_SCAN");
	assert(at != MAP_FAILED && madvise(at, (PAGES + IN_TABLE) * PAGE_SIZE, advice) == 0);
	area = (char *)(((uintptr_t)at + (2 << 20) - 1) & ~((2UL << 20) - 1));
	uffd = syscall(SYS_userfaultfd, uffd_flags(UFFD_WRITES_MARK));
	assert(uffd >= 0);
	MUST(uffd_begin(uffd, UFFD_WRITES_MARK, &err));
	assert(uffd_register(uffd, (uintptr_t)area, (uintptr_t)area + PAGES * PAGE_SIZE));
	map.tracked = true;
}

/* What each page is: 0 nothing, 1 there, 2 there and clean. */
static void fill(char *what, const struct page_range *r)
{
	size_t from = (r->start - (uintptr_t)area) / PAGE_SIZE,
	       to = (r->end - (uintptr_t)area) / PAGE_SIZE;

	assert(from < to && to <= PAGES);
	for (; from < to; from++) {
		assert(!what[from]);
		what[from] = r->clean ? 2 : 1;
	}
}

static void compare(size_t from, size_t to)
{
	static char slow[PAGES], fast[PAGES];
	struct protected_pages p = { 0 };
	struct page_range r;
	uint64_t start = (uintptr_t)area + from * PAGE_SIZE, end = (uintptr_t)area + to * PAGE_SIZE;
	int got;

	memset(slow, 0, PAGES);
	memset(fast, 0, PAGES);
	MUST(protected_begin(&p, &map, start, end, &err));
	while ((got = protected_next(&p, &r, &err)) > 0)
		fill(fast, &r);
	MUST(got);
	protected_free(&p);
	pagemap_range(&map, start, end, PAGEMAP_ANON);
	while ((got = pagemap_next(&map, &r, &err)) > 0)
		fill(slow, &r);
	MUST(got);
	for (size_t i = 0; i < PAGES; i++)
		if (fast[i] != slow[i])
			fprintf(stderr, "page %zu is %d, not %d\n", i, fast[i], slow[i]);
	assert(memcmp(fast, slow, PAGES) == 0);
}

static void disturb(void)
{
	size_t page = random() % PAGES, count = 1 + random() % 50;
	char *at = area + page * PAGE_SIZE;

	if (count > PAGES - page)
		count = PAGES - page;
	switch (random() % 8) {
	case 0:
		memset(at, 1, count * PAGE_SIZE);
		break;
	case 1:
		assert(madvise(at, count * PAGE_SIZE, MADV_DONTNEED) == 0);
		break;
	case 2: /* a whole table, which may be given back as well */
		page -= page % IN_TABLE;
		assert(madvise(area + page * PAGE_SIZE, IN_TABLE * PAGE_SIZE, MADV_DONTNEED) == 0);
		break;
	case 3:
		(void)*(volatile char *)at;
		break;
	case 4:
		madvise(at, count * PAGE_SIZE, MADV_GUARD_INSTALL);
		compare(0, PAGES);
		madvise(at, count * PAGE_SIZE, MADV_GUARD_REMOVE);
		break;
	case 5:
		protect_all();
		break;
	default:
		touch(page);
	}
}

static void run(int advice)
{
	set_up(advice);
	compare(0, PAGES);
	for (size_t i = 0; i < PAGES; i++)
		touch(i);
	compare(0, PAGES);
	protect_all();
	compare(0, PAGES);
	for (int i = 0; i < MORE; i++) {
		disturb();
		if (i % 5 == 0)
			compare(0, PAGES);
		else
			compare(random() % 1000, PAGES - random() % 1000);
	}
}

static void small_pages(void)
{
	run(MADV_NOHUGEPAGE);
}

static void huge_pages(void)
{
	run(MADV_HUGEPAGE);
}

/* mremap() that joins two registered mappings takes the registration from both and leaves the bits of their pages. */
static void no_longer_registered(void)
{
	size_t half = PAGES * PAGE_SIZE / 2;
	char *aside;

	set_up(MADV_NOHUGEPAGE);
	for (size_t i = 0; i < PAGES; i++)
		touch(i);
	protect_all();
	aside = mmap(NULL, half, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	assert(mremap(area + half, half, half, MREMAP_MAYMOVE | MREMAP_FIXED, aside) == aside);
	compare(0, PAGES / 2);
	assert(uffd_register(uffd, (uintptr_t)aside, (uintptr_t)aside + half));
	assert(mremap(aside, half, half, MREMAP_MAYMOVE | MREMAP_FIXED, area + half) ==
	       area + half);
	if (pagemap_watched(&map, (uintptr_t)area, &err) != 0)
		unit_skip("this kernel keeps the registration");
	compare(0, PAGES);
}

int main(void)
{
	return unit_run((struct unit[]){
		UNIT(small_pages), UNIT(huge_pages), UNIT(no_longer_registered), {} });
}
