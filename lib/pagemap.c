/*
 * Runs of pages that hold something; see pagemap.h.
 *
 * PAGEMAP_SCAN answers with runs, many a call. /proc/PID/pagemap has a 64-bit word for each page, from
 * which the same runs are put together; it does not say which page is the zero page, but privileged
 * readers see page frame numbers, and our own memory knows that of the zero page.
 */
#include "lib/pagemap.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>

#include "lib/io.h"
#include "lib/own.h"

/* From linux/fs.h; the headers of Debian 12 are older than the call. */
struct scan_region {
	uint64_t start, end, categories;
};

struct scan_args {
	uint64_t size, flags;
	uint64_t start, end, walk_end;
	uint64_t vec, vec_len, max_pages;
	uint64_t category_inverted, category_mask, category_anyof_mask, return_mask;
};

#define SCAN_CALL _IOWR('f', 16, struct scan_args)

enum {
	SCAN_WP_ALLOWED = 1 << 0, /* a userfaultfd that marks has the mapping */
	SCAN_WRITTEN = 1 << 1,
	SCAN_FILE = 1 << 2,
	SCAN_PRESENT = 1 << 3,
	SCAN_SWAPPED = 1 << 4,
	SCAN_ZERO = 1 << 5,
	SCAN_GUARD = 1 << 8,
};

/* Flags of the call. */
enum { PROTECT_MATCHING = 1 << 0 };

/* Words of /proc/PID/pagemap. */
#define WORD_PRESENT (1ULL << 63)
#define WORD_SWAPPED (1ULL << 62)
#define WORD_FILE (1ULL << 61)
#define WORD_GUARD (1ULL << 58)
#define WORD_PFN ((1ULL << 55) - 1)

/* With more than 512 at once the kernel (6.18) may say that it has got less far than it has. */
enum { BATCH_REGIONS = 512, BATCH_WORDS = BATCH_REGIONS * sizeof(struct scan_region) / 8 };

static bool can_scan(int fd, uint64_t mask)
{
	struct scan_args a = { .size = sizeof(a), .category_mask = mask, .return_mask = mask };

	return ioctl(fd, SCAN_CALL, &a) == 0;
}

/* The frame of the zero page: what reading untouched memory maps. */
static uint64_t find_zero_pfn(void)
{
	volatile char *page = mmap(NULL, PAGE_SIZE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	own_fd fd = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
	uint64_t word = 0;

	if (page == MAP_FAILED)
		return 0;
	(void)*page;
	if (fd < 0 || pread(fd, &word, 8, (uint64_t)page / PAGE_SIZE * 8) != 8)
		word = 0;
	munmap((void *)page, PAGE_SIZE);
	return word & WORD_PRESENT ? word & WORD_PFN : 0;
}

int pagemap_open(int proc_fd, struct pagemap *ret, struct err *e)
{
	struct pagemap p = {};
	own_fd fd = openat(proc_fd, "pagemap", O_RDONLY | O_CLOEXEC);
	own_mem void *batch = malloc(BATCH_REGIONS * sizeof(struct scan_region));

	if (fd < 0)
		return err_sys(e, "open 'pagemap'");
	if (!batch)
		return err_sys(e, "memory for 'pagemap'");
	p.scans = can_scan(fd, SCAN_PRESENT);
	p.tells_guards = can_scan(fd, SCAN_GUARD);
	p.fd = take_fd(&fd);
	p.batch = take_mem(batch);
	*ret = p;
	return 0;
}

void pagemap_close(struct pagemap *p)
{
	if (!p->batch)
		return;
	close(p->fd);
	free(p->batch);
	*p = (struct pagemap){ .fd = -1 };
}

void pagemap_range(struct pagemap *p, uint64_t start, uint64_t end, enum pagemap_want want)
{
	p->want = want;
	p->at = start;
	p->end = end;
	p->batch_count = p->batch_next = 0;
}

/* Asks for the next regions. */
static int scan(struct pagemap *p, struct err *e)
{
	uint64_t guard = p->tells_guards ? SCAN_GUARD : 0;
	struct scan_args a = {
		.size = sizeof(a),
		.flags = p->protects ? PROTECT_MATCHING : 0,
		.start = p->at,
		.end = p->end,
		.vec = (uintptr_t)p->batch,
		.vec_len = BATCH_REGIONS,
		.return_mask = p->tracked ? SCAN_WP_ALLOWED | SCAN_WRITTEN : 0,
	};
	int n;

	switch (p->want) {
	case PAGEMAP_PRIVATE:
		a.category_inverted = a.category_mask = SCAN_FILE | SCAN_ZERO | guard;
		a.category_anyof_mask = SCAN_PRESENT | SCAN_SWAPPED;
		break;
	case PAGEMAP_ANON:
		a.category_inverted = a.category_mask = SCAN_ZERO | guard;
		a.category_anyof_mask = SCAN_PRESENT | SCAN_SWAPPED;
		break;
	case PAGEMAP_HELD:
		a.category_inverted = a.category_mask = guard;
		a.category_anyof_mask = SCAN_PRESENT | SCAN_SWAPPED;
		break;
	case PAGEMAP_WRITTEN:
		/*
		 * To ask for what is written and nothing else has a short cut in the kernel, ten times as fast. But then
		 * places without a page count too, and are marked in a way that makes them look swapped out.
		 */
		a.category_inverted = SCAN_ZERO;
		a.category_mask = SCAN_WRITTEN | SCAN_ZERO;
		a.category_anyof_mask = SCAN_PRESENT | SCAN_SWAPPED;
		break;
	case PAGEMAP_GUARD:
		a.category_mask = guard;
		break;
	}
	n = ioctl(p->fd, SCAN_CALL, &a);
	if (n < 0)
		return err_sys(e, "PAGEMAP_SCAN of 0x%lx-0x%lx", p->at, p->end);
	p->batch_count = n;
	p->batch_next = 0;
	p->at = a.walk_end;
	return 0;
}

static int next_region(struct pagemap *p, struct page_range *ret, struct err *e)
{
	const struct scan_region *regions = p->batch;
	struct page_range run = {};

	if (p->want == PAGEMAP_GUARD && !p->tells_guards)
		return 0;
	/* A run may go on in the next answer. */
	for (;;) {
		int r;

		if (p->batch_next < p->batch_count) {
			const struct scan_region *g = &regions[p->batch_next];
			bool clean = p->tracked && g->categories == SCAN_WP_ALLOWED;

			if (run.end && (g->start != run.end || clean != run.clean))
				break;
			if (!run.end)
				run.start = g->start;
			run.end = g->end;
			run.clean = clean;
			p->batch_next++;
			continue;
		}
		if (p->at >= p->end)
			break;
		r = scan(p, e);
		if (r < 0)
			return r;
	}
	*ret = run;
	return run.end != 0;
}

int pagemap_watched(const struct pagemap *p, uint64_t at, struct err *e)
{
	struct scan_region region;
	struct scan_args a = { .size = sizeof(a),
			       .start = at,
			       .end = at + PAGE_SIZE,
			       .vec = (uintptr_t)&region,
			       .vec_len = 1,
			       .category_mask = SCAN_WP_ALLOWED,
			       .return_mask = SCAN_WP_ALLOWED };
	int n = ioctl(p->fd, SCAN_CALL, &a);

	return n < 0 ? err_sys(e, "PAGEMAP_SCAN of 0x%lx", at) : n;
}

static bool word_is_wanted(const struct pagemap *p, uint64_t w)
{
	if (w & WORD_GUARD)
		return p->want == PAGEMAP_GUARD;
	if (p->want == PAGEMAP_GUARD || !(w & (WORD_PRESENT | WORD_SWAPPED)))
		return false;
	if (p->want == PAGEMAP_HELD)
		return true;
	return !(w & WORD_FILE) &&
	       !(w & WORD_PRESENT && p->zero_pfn && (w & WORD_PFN) == p->zero_pfn);
}

static int read_words(struct pagemap *p, struct err *e)
{
	uint64_t want = (p->end - p->at) / PAGE_SIZE;
	ssize_t n;

	if (!p->zero_pfn)
		p->zero_pfn = find_zero_pfn();
	if (want > BATCH_WORDS)
		want = BATCH_WORDS;
	n = pread(p->fd, p->batch, want * 8, p->at / PAGE_SIZE * 8);
	if (n < 0)
		return err_sys(e, "read 'pagemap' of 0x%lx-0x%lx", p->at, p->end);
	p->batch_count = n / 8;
	p->batch_next = 0;
	/* The file ends where a process can have memory. */
	p->at = n < 8 ? p->end : p->at + p->batch_count * PAGE_SIZE;
	return 0;
}

static int next_words(struct pagemap *p, struct page_range *ret, struct err *e)
{
	const uint64_t *words = p->batch;
	struct page_range run = {};
	int r;

	for (;;) {
		for (; p->batch_next < p->batch_count; p->batch_next++) {
			uint64_t addr = p->at - (p->batch_count - p->batch_next) * PAGE_SIZE;

			if (word_is_wanted(p, words[p->batch_next])) {
				if (!run.end)
					run.start = addr;
				run.end = addr + PAGE_SIZE;
			} else if (run.end) {
				*ret = run;
				return 1;
			}
		}
		if (p->at >= p->end)
			break;
		r = read_words(p, e);
		if (r < 0)
			return r;
	}
	*ret = run;
	return run.end != 0;
}

int pagemap_next(struct pagemap *p, struct page_range *ret, struct err *e)
{
	if (p->scans)
		return next_region(p, ret, e);
	return next_words(p, ret, e);
}

int pagemap_words(const struct pagemap *p, uint64_t start, uint64_t end, uint64_t *ret,
		  struct err *e)
{
	uint64_t count = (end - start) / PAGE_SIZE, got = 0;

	while (got < count) {
		ssize_t n =
			pread(p->fd, ret + got, (count - got) * 8, (start / PAGE_SIZE + got) * 8);

		if (n < 0)
			return err_sys(e, "read 'pagemap' of 0x%lx-0x%lx", start, end);
		if (n < 8)
			break;
		got += n / 8;
	}
	memset(ret + got, 0, (count - got) * 8);
	return 0;
}
