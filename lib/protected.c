/*
 * Pages of a mapping that is protected for the most part; see protected.h.
 *
 * PAGEMAP_SCAN's short cut for "written" tells what is not protected: pages that were written, and places without a page.
 * The rest is there and protected, as nothing but a page is ever protected here, with one exception: where a whole page
 * table is missing (2 MiB: never touched, given back, a huge page that was) the kernel says nothing. So the word of
 * one page is asked for in each table: the last one, as the kernel walks from there to the end of the table, whatever it is asked.
 */
#include "lib/protected.h"

#include <errno.h>
#include <unistd.h>

#include "lib/io.h"
#include "lib/written.h"

enum {
	TABLE = 2 << 20, /* bytes that a page table is for */
	NEAR = 64 *
	       PAGE_SIZE, /* to look at so many pages costs about as much as to ask once more */
};

#define WORD_THERE (3ULL << 62) /* present or swapped */
#define WORD_PROTECTED (1ULL << 57)

void protected_free(struct protected_pages *p)
{
	ranges_free(&p->open);
	*p = (struct protected_pages){ 0 };
}

static int join_near(const struct ranges *found, struct ranges *ret, struct err *e)
{
	for (size_t i = 0; i < found->count; i++) {
		struct range r = found->all[i];

		while (i + 1 < found->count && found->all[i + 1].start - r.end < NEAR)
			r.end = found->all[++i].end;
		if (ranges_append(ret, r.start, r.end, e) < 0)
			return e->code;
	}
	return 0;
}

int protected_begin(struct protected_pages *p, struct pagemap *pm, uint64_t start, uint64_t end,
		    struct err *e)
{
	own_ranges found = { 0 };
	int watched = pagemap_watched(pm, start, e);

	protected_free(p);
	*p = (struct protected_pages){ .pm = pm, .at = start, .end = end };
	/* What is registered no longer may have kept the bits of its pages: they mean nothing then. */
	if (watched <= 0)
		return watched < 0 ? watched : ranges_append(&p->open, start, end, e);
	if (written_find(pm->fd, start, end, &found, e) < 0)
		return e->code;
	return join_near(&found, &p->open, e);
}

/* 1: the page is there and protected. */
static int is_there(const struct protected_pages *p, uint64_t at, struct err *e)
{
	uint64_t word;

	if (pagemap_words(p->pm, at, at + PAGE_SIZE, &word, e) < 0)
		return e->code;
	return word & WORD_THERE && word & WORD_PROTECTED;
}

/* The tables of [p->at,stop) as far as they are all there; ret stays empty if none is. */
static int next_tables(struct protected_pages *p, uint64_t stop, struct page_range *ret,
		       struct err *e)
{
	*ret = (struct page_range){ .start = p->at, .end = p->at, .clean = true };
	while (p->at < stop) {
		uint64_t table = (p->at | (TABLE - 1)) + 1, next = table < stop ? table : stop;
		int there = is_there(p, next - PAGE_SIZE, e);

		if (there < 0)
			return there;
		if (!there && ret->end > ret->start)
			return 0;
		p->at = next;
		if (there)
			ret->end = p->at;
		else
			ret->start = ret->end = p->at;
	}
	return 0;
}

int protected_next(struct protected_pages *p, struct page_range *ret, struct err *e)
{
	uint64_t stop;
	int got;

	for (;;) {
		if (p->inside) {
			got = pagemap_next(p->pm, ret, e);
			if (got != 0)
				return got;
			p->inside = false;
		}
		if (p->at >= p->end)
			return 0;
		if (ranges_hold(&p->open, p->at, p->end, &stop)) {
			pagemap_range(p->pm, p->at, stop, PAGEMAP_ANON);
			p->at = stop;
			p->inside = true;
			continue;
		}
		got = next_tables(p, stop, ret, e);
		if (got < 0 || ret->end > ret->start)
			return got < 0 ? got : 1;
	}
}
