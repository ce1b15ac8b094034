/*
 * Pages that are equal, in all sorts of places: in a row, far apart, among others, in neighbouring stretches that are
 * saved at the same time, in shared memory, and in three processes that do not share them. With a number, in so many
 * rounds, each of which writes some of them anew.
 */
#include <sys/mman.h>

#include "test/lib/victim.h"

enum { PAGE = 4096, WORDS = PAGE / 8, KINDS = 300, STRETCH = 32, ZERO = -1 };
enum { MIXED = 1024, SAME = 256, PAIRS = 16 * STRETCH, APART = 500, SHARED = 256 };

struct region {
	uint64_t *at;
	int pages;
	int (*kind)(int page);
	int changed[MIXED]; /* the kind that a page was given later, plus 2; 0: none */
};

static int mixed(int page)
{
	return page % 7 == 0 ? ZERO : page % KINDS;
}

static int same(int page)
{
	(void)page;
	return KINDS - 1;
}

/* Each stretch twice, one behind the other. */
static int pairs(int page)
{
	return KINDS + page / (2 * STRETCH) * STRETCH + page % STRETCH;
}

static int apart(int page)
{
	return page * 7919 % KINDS;
}

static struct region regions[] = {
	{ NULL, MIXED, mixed, {} }, { NULL, SAME, same, {} },	 { NULL, PAIRS, pairs, {} },
	{ NULL, APART, apart, {} }, { NULL, SHARED, mixed, {} },
};
enum { REGIONS = sizeof(regions) / sizeof(*regions) };

/* Equal in their first half, so that it takes a look at all of them to know. */
static uint64_t word(int kind, int n)
{
	if (kind == ZERO)
		return 0;
	return n < WORDS / 2 ? n + 1ULL : (kind + 1) * 0x9e3779b97f4a7c15ULL + n * n;
}

static void put(uint64_t *page, int kind)
{
	for (int n = 0; n < WORDS; n++)
		page[n] = word(kind, n);
}

static int kind_of(const struct region *r, int page)
{
	return r->changed[page] ? r->changed[page] - 2 : r->kind(page);
}

static void fill_all(void)
{
	for (int r = 0; r < REGIONS; r++)
		for (int page = 0; page < regions[r].pages; page++)
			put(regions[r].at + page * WORDS, kind_of(&regions[r], page));
}

static void check_all(void)
{
	for (int r = 0; r < REGIONS; r++)
		for (int page = 0; page < regions[r].pages; page++)
			for (int n = 0; n < WORDS; n++)
				CHECK(regions[r].at[page * WORDS + n] ==
					      word(kind_of(&regions[r], page), n),
				      "region %d page %d word %d", r, page, n);
}

static void map_all(void)
{
	for (int r = 0; r < REGIONS; r++) {
		int flags = r == REGIONS - 1 ? MAP_SHARED : MAP_PRIVATE;

		regions[r].at = SYS(mmap(NULL, regions[r].pages * PAGE, PROT_READ | PROT_WRITE,
					 flags | MAP_ANONYMOUS, -1, 0));
		if (flags == MAP_PRIVATE)
			SYS(madvise(regions[r].at, regions[r].pages * PAGE, MADV_NOHUGEPAGE));
	}
}

/* Some become equal to others that were there before, some are new, and others stay. */
static void change(int round)
{
	for (int r = 0; r < REGIONS - 1; r++)
		for (int page = round; page < regions[r].pages; page += 13) {
			int kind = page % 3 ? (page + round) % KINDS : 10000 + round * 2000 + page;

			regions[r].changed[page] = kind + 2;
			put(regions[r].at + page * WORDS, kind);
		}
}

/* A page that was equal to many is one's own: nobody else's changes with it. */
static void write_one(void)
{
	regions[1].changed[7] = 5000 + 2;
	put(regions[1].at + 7 * WORDS, 5000);
	check_all();
}

/* Everything written anew, as it was, or at other addresses; some pages become like others of the parent. */
static void child(bool anew, int rounds)
{
	if (anew)
		map_all();
	fill_all();
	change(6);
	victim_set();
	for (int round = 0; round <= rounds; round++)
		victim_wait();
	check_all();
	write_one();
	_exit(0);
}

int main(int argc, char **argv)
{
	int rounds = argc > 1 ? atoi(argv[1]) : 0;
	pid_t children[2];

	map_all();
	fill_all();
	for (int i = 0; i < 2; i++) {
		children[i] = victim_fork();
		if (children[i] == 0)
			child(i, rounds);
	}
	for (int round = 1; round <= rounds; round++) {
		victim_ready();
		check_all();
		change(round);
	}
	victim_ready();
	check_all();
	for (int i = 0; i < 2; i++)
		victim_reap(children[i]);
	write_one();
	victim_ok();
}
