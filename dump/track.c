/* Which pages were written; see track.h. */
#include "dump/track.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "dump/memory.h"
#include "lib/io.h"
#include "lib/log.h"
#include "lib/uffd.h"

struct track *track_of(const struct dump *d, const struct task *t)
{
	for (size_t i = 0; d->tracks && i < d->tracks->count; i++) {
		struct track *k = &d->tracks->all[i];

		if (k->pid == t->pid && k->start_time == t->stat.start_time)
			return k;
	}
	return NULL;
}

/* To register what is registered already changes nothing; what is another's cannot be registered. */
bool track_owns(const struct track *k, uint64_t start, uint64_t end)
{
	return uffd_register(k->uffd, start, end);
}

void track_close(struct track *k)
{
	own_close(&k->uffd);
	own_close(&k->proc_fd);
	ranges_free(&k->known);
	ranges_free(&k->suspect);
	ranges_free(&k->written);
}

int track_add(struct dump *d, const struct track *k, struct err *e)
{
	if (!d->tracks)
		d->tracks = pool_new(&d->pool, struct tracks);
	if (io_grow(&d->tracks->all, d->tracks->count, sizeof(*k), e) < 0)
		return e->code;
	d->tracks->all[d->tracks->count++] = *k;
	return 0;
}

void track_drop(struct dump *d)
{
	if (!d->tracks)
		return;
	for (size_t i = 0; i < d->tracks->count; i++)
		track_close(&d->tracks->all[i]);
	free(d->tracks->all);
	*d->tracks = (struct tracks){ 0 };
}

static bool lives(const struct track *k)
{
	return k->uffd >= 0 && uffd_lives(k->uffd);
}

/* A child of vfork() may have the memory of a process that is gone. */
bool track_lost(struct track *k, const struct err *e)
{
	if (lives(k) && e->code != -ESRCH && e->code != -ENOENT)
		return false;
	own_close(&k->uffd);
	k->uffd = -1;
	return true;
}

void track_drop_lost(struct dump *d)
{
	size_t n = 0;

	for (size_t i = 0; i < d->tracks->count; i++) {
		struct track *k = &d->tracks->all[i];

		if (lives(k))
			d->tracks->all[n++] = *k;
		else
			track_close(k);
	}
	d->tracks->count = n;
}

static bool can_track(const struct task *t, const struct vma *v)
{
	return !(v->flags & (VMA_SH | VMA_HT)) && memory_pages_of(t, v) == VMA_PAGES_ANON;
}

/* Where written pages can be: one question, the kernel passes over what is not registered. */
static bool extent(const struct track *k, uint64_t *start, uint64_t *end)
{
	*start = *end = 0;
	for (size_t i = 0; i < k->maps.count; i++) {
		if (!can_track(k->task, &k->maps.vmas[i]))
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

int track_written(const struct track *k, uint64_t *ret, struct err *e)
{
	own_ranges found = { 0 };
	int r = find_written(k, false, &found, e);

	*ret = ranges_size(&found);
	return r;
}

/* Reads through such a ring go on while the threads are stopped, and write without a mark. */
static bool has_aio(const struct maps *m)
{
	for (size_t i = 0; i < m->count; i++)
		if (m->vmas[i].flags & VMA_SH && strncmp(m->vmas[i].name, "/[aio]", 6) == 0)
			return true;
	return false;
}

struct track *track_trusted(const struct dump *d, const struct task *t)
{
	struct maps maps = { t->vmas, t->vma_count };

	return has_aio(&maps) ? NULL : track_of(d, t);
}

static int each_track(struct dump *d, int (*run)(struct dump *, struct track *, struct err *),
		      struct err *e)
{
	for (size_t i = 0; i < d->tracks->count; i++) {
		struct track *k = &d->tracks->all[i];

		if (run(d, k, e) < 0 && !track_lost(k, e))
			return err_on(e, "memory of pid %d", k->pid);
	}
	track_drop_lost(d);
	return 0;
}

static void give_up(struct track *k)
{
	own_close(&k->uffd);
	k->uffd = -1;
}

static int look(struct dump *d, struct track *k, struct err *e)
{
	if (maps_read(k->proc_fd, &d->pool, &k->maps, e) < 0)
		return e->code;
	if (has_aio(&k->maps))
		give_up(k);
	return 0;
}

int track_look(struct dump *d, struct err *e)
{
	return each_track(d, look, e);
}

/* 1: it may be registered. What smaps would say is not asked for in a stop: then only what is certain is taken. */
static int is_new(struct track *k, const struct pagemap *pm, const struct vma *v, struct err *e)
{
	int watched;

	if (v->may ? v->flags & VMA_UW || !can_track(k->task, v) : !maps_is_anon(v))
		return 0;
	watched = v->may ? 0 : pagemap_watched(pm, v->start, e);
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

int track_register(struct dump *d, struct err *e)
{
	return each_track(d, register_new, e);
}

/*
 * mremap() that joins two registered mappings takes the registration from both and leaves the bits of their pages. A page
 * that is written then is writable and has the bit: registered again, it would look clean for ever. So the bits of
 * what is new are cleared, and with them those of pages that could not be read.
 */
static int clear_suspects(struct track *k, struct err *e)
{
	for (size_t i = 0; i < k->suspect.count; i++) {
		const struct range *r = &k->suspect.all[i];

		if (uffd_protect(k->uffd, r->start, r->end, false, e) < 0)
			return e->code;
	}
	ranges_free(&k->suspect);
	return 0;
}

/* If the layout has changed since the stop the track is given up: the next stop makes another one. */
static int collect(struct dump *d, struct track *k, struct err *e)
{
	struct err why = { 0 };

	(void)d;
	ranges_free(&k->written);
	if (clear_suspects(k, &why) == 0)
		return find_written(k, true, &k->written, e);
	log_debug("pid %d: %s; it is tracked anew", k->pid, why.text);
	give_up(k);
	return 0;
}

static int settle(struct dump *d, struct track *k, struct err *e)
{
	struct err why = { 0 };

	(void)d, (void)e;
	if (clear_suspects(k, &why) < 0) {
		log_debug("pid %d: %s; it is tracked anew", k->pid, why.text);
		give_up(k);
	}
	return 0;
}

int track_settle(struct dump *d, struct err *e)
{
	return each_track(d, settle, e);
}

int track_collect(struct dump *d, struct err *e)
{
	return each_track(d, collect, e);
}
