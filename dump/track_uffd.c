/*
 * Written pages by asynchronous userfaultfd write-protection and PAGEMAP_SCAN; see track.h. How the userfaultfd comes out
 * of the process is in arm.c.
 */
#include <errno.h>

#include "dump/trackers.h"
#include "lib/uffd.h"

static bool lives(const struct track *k)
{
	return k->uffd >= 0 && uffd_lives(k->uffd);
}

static void give_up(struct track *k)
{
	own_close(&k->uffd);
	k->uffd = -1;
}

/* Where written pages can be: one question, the kernel passes over what is not registered. */
static bool extent(const struct track *k, uint64_t *start, uint64_t *end)
{
	*start = *end = 0;
	for (size_t i = 0; i < k->maps.count; i++) {
		if (!track_can(k, &k->maps.vmas[i]))
			continue;
		*start = *end ? *start : k->maps.vmas[i].start;
		*end = k->maps.vmas[i].end;
	}
	return *end != 0;
}

static int find_written(const struct track *k, bool protect, struct ranges *ret, struct err *e)
{
	own_pagemap pm = { .fd = -1 };
	struct page_range r;
	uint64_t start, end;
	int got;

	if (!extent(k, &start, &end))
		return 0;
	if (pagemap_open(k->proc_fd, &pm, e) < 0)
		return e->code;
	pm.protects = protect;
	pagemap_range(&pm, start, end, PAGEMAP_WRITTEN);
	while ((got = pagemap_next(&pm, &r, e)) > 0)
		if (ranges_append(ret, r.start, r.end, e) < 0)
			return e->code;
	return got;
}

/* Without the flag that protects, the kernel counts shared memory in between too. */
static int written(const struct track *k, struct ranges *ret, struct err *e)
{
	own_ranges all = { 0 };

	if (find_written(k, false, &all, e) < 0)
		return e->code;
	for (size_t i = 0; i < k->maps.count; i++) {
		const struct vma *v = &k->maps.vmas[i];
		size_t n = track_can(k, v) ? ranges_find(&all, v->start) : all.count;

		for (; n < all.count && all.all[n].start < v->end; n++) {
			const struct range *r = &all.all[n];
			uint64_t start = r->start > v->start ? r->start : v->start;

			if (ranges_append(ret, start, r->end < v->end ? r->end : v->end, e) < 0)
				return e->code;
		}
	}
	return 0;
}

/* 1: it may be registered. What smaps would say is not asked for in a stop: then only what is certain is taken. */
static int is_new(struct track *k, const struct pagemap *pm, const struct vma *v, struct err *e)
{
	int watched;

	if (v->may ? v->flags & VMA_UW || !track_can(k, v) : !maps_is_anon(v))
		return 0;
	watched = v->may ? 0 : pagemap_watched(pm, v->start, e);
	return watched < 0 ? watched : !watched;
}

/* A private mapping of a file may be one that a userfaultfd cannot watch; those that are watched can be. */
static int needs_smaps(struct track *k, struct err *e)
{
	own_pagemap pm = { .fd = -1 };
	int watched = 1;

	if (pagemap_open(k->proc_fd, &pm, e) < 0)
		return e->code;
	for (size_t i = 0; i < k->maps.count && watched > 0; i++) {
		const struct vma *v = &k->maps.vmas[i];

		if (v->inode && !(v->flags & VMA_SH))
			watched = pagemap_watched(&pm, v->start, e);
	}
	return watched < 0 ? watched : !watched;
}

static int register_new(struct dump *d, struct track *k, struct err *e)
{
	own_pagemap pm = { .fd = -1 };
	own_ranges fresh = { 0 };
	struct maps now = k->maps;
	int r = maps_update(k->proc_fd, &d->pool, &now, e);

	if (r == 0)
		r = maps_read_brief(k->proc_fd, &d->pool, &now, e);
	if (r < 0 || pagemap_open(k->proc_fd, &pm, e) < 0)
		return e->code;
	for (size_t i = 0; i < now.count; i++) {
		const struct vma *v = &now.vmas[i];

		r = is_new(k, &pm, v, e);
		if (r > 0 && uffd_register(k->uffd, v->start, v->end))
			r = ranges_append(&fresh, v->start, v->end, e);
		if (r < 0)
			return r;
	}
	return ranges_unite(&k->suspect, &fresh, e);
}

/*
 * mremap() that joins two registered mappings takes the registration from both and leaves the bits of their pages. A page
 * that is written then is writable and has the bit: registered again, it would look clean for ever. So the bits of
 * what is new are cleared, and with them those of pages that could not be read.
 */
static int clear_suspects(struct track *k, struct err *e)
{
	own_ranges left = { 0 };

	for (size_t i = 0; i < k->suspect.count; i++) {
		const struct range *r = &k->suspect.all[i];
		struct err why = { 0 };

		/* Not all of it is mapped or registered any more: it stays what it is. */
		if (uffd_protect(k->uffd, r->start, r->end, false, &why) < 0 &&
		    ranges_append(&left, r->start, r->end, e) < 0)
			return e->code;
	}
	ranges_free(&k->suspect);
	k->suspect = left;
	left = (struct ranges){ 0 };
	return 0;
}

static int collect(struct dump *d, struct track *k, struct err *e)
{
	(void)d;
	ranges_free(&k->written);
	return clear_suspects(k, e) < 0 ? e->code : find_written(k, true, &k->written, e);
}

const struct tracker uffd_tracker = {
	.lives = lives,
	.give_up = give_up,
	.release = clear_suspects,
	.needs_smaps = needs_smaps,
	.register_new = register_new,
	.collect = collect,
	.written = written,
};
