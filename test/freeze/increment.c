/*
 * Memory that is saved in increments: in every round each region is treated in another way between two dumps, and what
 * it has to hold is kept elsewhere, so a page that is taken from the wrong dump shows.
 */
#include <fcntl.h>
#include <sys/mman.h>

#include "test/lib/victim.h"

enum { PAGE = 4096, PAGES = 64, SIZE = PAGES * PAGE, REGIONS = 14, WORDS = PAGE / 8 };
/* What the kernel moves without a look at the pages. */
enum { TABLE = 2 << 20 };

static char *region[REGIONS];
/* The first word of every page; its other words follow from it. 0: the page is zero. */
static uint64_t model[REGIONS][PAGES];
static uint64_t count = 1;
static int file = -1;

static void put(int r, int page)
{
	uint64_t *at = (uint64_t *)(region[r] + page * PAGE);

	model[r][page] = count++ * 0x9e3779b97f4a7c15ULL | 1;
	for (int i = 0; i < WORDS; i++)
		at[i] = model[r][page] + i;
}

static void put_all(int r)
{
	for (int page = 0; page < PAGES; page++)
		put(r, page);
}

static void check_region(int r)
{
	for (int page = 0; page < PAGES; page++) {
		const uint64_t *at = (const uint64_t *)(region[r] + page * PAGE);

		for (int i = 0; i < WORDS; i++)
			CHECK(at[i] == (model[r][page] ? model[r][page] + i : 0),
			      "region %d page %d word %d is %#lx, the page began with %#lx", r,
			      page, i, (unsigned long)at[i], (unsigned long)model[r][page]);
	}
}

static char *map(void *at, int flags)
{
	return SYS(
		mmap(at, SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | flags, -1, 0));
}

static void forget(int r, int first, int pages)
{
	memset(&model[r][first], 0, pages * sizeof(model[r][0]));
}

/* Two regions change places: what each address had before is known to the dumps, and is wrong now. */
static void swap(int a, int b, char *by, size_t size)
{
	char *at_a = region[a], *at_b = region[b];

	SYS(mremap(at_a, size, size, MREMAP_MAYMOVE | MREMAP_FIXED, by));
	SYS(mremap(at_b, size, size, MREMAP_MAYMOVE | MREMAP_FIXED, at_a));
	SYS(mremap(by, size, size, MREMAP_MAYMOVE | MREMAP_FIXED, at_b));
	region[a] = at_b;
	region[b] = at_a;
}

/* Two of them, each with a page table of its own, and room for a third. */
static char *tables;

static void swap_tables(int a, int b)
{
	char *by = tables + 2 * TABLE;

	swap(a, b, by, TABLE);
	SYS(mmap(by, TABLE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0));
}

static void map_tables(int a, int b)
{
	char *at = SYS(mmap(NULL, 4 * TABLE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));

	tables = (char *)(((uintptr_t)at + TABLE - 1) & -(uintptr_t)TABLE);
	for (int i = 0; i < 2; i++) {
		char *table = tables + i * TABLE;

		SYS(mmap(table, TABLE, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0));
		SYS(madvise(table, TABLE, MADV_NOHUGEPAGE));
		region[i ? b : a] = table;
		put_all(i ? b : a);
	}
}

/* Pages of a private file mapping that are dropped are the file's again. */
static void file_page_again(int r, int page)
{
	SYS(madvise(region[r] + page * PAGE, PAGE, MADV_DONTNEED));
	SYS(pread(file, &model[r][page], 8, page * PAGE));
}

static void map_file(int r)
{
	char path[] = "/tmp/stasis-increment.XXXXXX";

	file = SYS(mkstemp(path));
	SYS(unlink(path));
	region[r] = map(NULL, 0);
	put_all(r);
	SYS(write(file, region[r], SIZE));
	SYS(mmap(region[r], SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_FIXED, file, 0));
}

static void grow_heap(int r, int round)
{
	if (round % 2) {
		SYS(brk(region[r] + SIZE / 2));
		SYS(brk(region[r] + SIZE));
		forget(r, PAGES / 2, PAGES / 2);
	}
	put(r, PAGES / 2 + round);
}

/*
 * Its second half goes away, comes back when both have been dumped, and becomes one mapping with the first again. The
 * kernel watches that no more, but its pages still look as if they were protected, also one that is written now.
 */
static char *aside;

static void part(int r)
{
	aside = map(NULL, 0);
	SYS(mremap(region[r] + SIZE / 2, SIZE / 2, SIZE / 2, MREMAP_MAYMOVE | MREMAP_FIXED, aside));
}

static void meet(int r)
{
	SYS(mremap(aside, SIZE / 2, SIZE / 2, MREMAP_MAYMOVE | MREMAP_FIXED, region[r] + SIZE / 2));
	aside = NULL;
	put(r, 3);
}

static void part_and_meet(int r, int round)
{
	if (round % 3 == 0)
		part(r);
	else if (round % 3 == 1)
		meet(r);
	else
		put(r, 3);
}

static void disturb(int round)
{
	put(1, round);
	put_all(2);
	SYS(madvise(region[3] + 2 * round * PAGE, 2 * PAGE, MADV_DONTNEED));
	forget(3, 2 * round, 2);
	swap(4, 5, map(NULL, 0), SIZE);
	swap_tables(12, 13);
	put(4, round);
	SYS(munmap(region[6], SIZE));
	map(region[6], MAP_FIXED_NOREPLACE);
	forget(6, 0, PAGES);
	put(6, 3 * round);
	SYS(mprotect(region[7], SIZE, round % 2 ? PROT_READ | PROT_WRITE : PROT_NONE));
	if (round % 2)
		put(7, round);
	put(8, round);
	file_page_again(8, 40 + round);
	grow_heap(9, round);
	part_and_meet(11, round);
	/* Written and dropped between the same two dumps; and dropped, then written. */
	put(10, round);
	SYS(madvise(region[10] + round * PAGE, PAGE, MADV_DONTNEED));
	forget(10, round, 1);
	SYS(madvise(region[10] + (40 + round) * PAGE, PAGE, MADV_DONTNEED));
	put(10, 40 + round);
}

static void check_all(void)
{
	SYS(mprotect(region[7], SIZE, PROT_READ | PROT_WRITE));
	if (aside)
		meet(11);
	for (int r = 0; r < REGIONS; r++)
		check_region(r);
}

/* Born in the middle of the chain, when its parent's pages are known already. */
static pid_t have_child(void)
{
	pid_t pid = victim_fork();

	if (pid != 0)
		return pid;
	put_all(1);
	put(0, 5);
	victim_set();
	victim_wait();
	check_all();
	_exit(0);
}

int main(int argc, char **argv)
{
	int rounds = argc > 1 ? atoi(argv[1]) : 4;
	pid_t child = 0;

	map_tables(12, 13);
	for (int r = 0; r < 12; r++) {
		if (r == 8) {
			map_file(r);
			continue;
		}
		region[r] = r == 9 ? SYS(sbrk(0)) : map(NULL, 0);
		if (r == 9) {
			region[r] = (char *)(((uintptr_t)region[r] + PAGE - 1) & -(uintptr_t)PAGE);
			SYS(brk(region[r] + SIZE));
		}
		put_all(r);
	}
	for (int round = 0; round < rounds; round++) {
		victim_ready();
		disturb(round);
		if (round == 3)
			child = have_child();
	}
	victim_ready();
	check_all();
	if (child)
		victim_reap(child);
	victim_ok();
}
