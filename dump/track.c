/* Which pages were written; see track.h. */
#include "dump/track.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "dump/memory.h"
#include "dump/trackers.h"
#include "lib/io.h"
#include "lib/proc.h"
#include "lib/soft_dirty.h"
#include "lib/uffd.h"

/* To look takes longer than that where it is worth leaving out. */
enum { FRESH_US = 30000 };

static const struct tracker *way_of(const struct track *k)
{
	return k->soft ? &soft_tracker : &uffd_tracker;
}

bool track_can(const struct track *k, const struct vma *v)
{
	return soft_dirty_tells(v) && memory_pages_of(k->task, v) == VMA_PAGES_ANON;
}

/* Where writers wait for us there is no other way. */
int track_arm(struct dump *d, struct err *e)
{
	if (!d->tracks)
		d->tracks = pool_new(&d->pool, struct tracks);
	if (d->runs_on)
		return uffd_track_arm(d, e);
	switch (track_way()) {
	case TRACK_UFFD:
		return uffd_track_arm(d, e);
	case TRACK_SOFT_DIRTY:
		return soft_track_arm(d, e);
	case TRACK_NONE:
		break;
	}
	return 0;
}

struct track *track_of(const struct dump *d, const struct task *t)
{
	for (size_t i = 0; d->tracks && i < d->tracks->count; i++) {
		struct track *k = &d->tracks->all[i];

		if (k->pid == t->pid && k->start_time == t->stat.start_time)
			return k;
	}
	return NULL;
}

bool track_scans(const struct track *k)
{
	return !k->soft;
}

/* To register what is registered already changes nothing; what is another's cannot be registered. */
bool track_owns(const struct track *k, uint64_t start, uint64_t end)
{
	return uffd_register(k->uffd, start, end);
}

bool track_is_clean(const struct track *k, uint64_t start, uint64_t end, uint64_t *ret_end)
{
	return ranges_hold(&k->soft->clean, start, end, ret_end);
}

void track_close(struct track *k)
{
	if (k->soft)
		soft_tracker.give_up(k);
	own_close(&k->uffd);
	own_close(&k->proc_fd);
	ranges_free(&k->known);
	ranges_free(&k->suspect);
	ranges_free(&k->written);
}

int track_add(struct dump *d, const struct track *k, struct err *e)
{
	int inner = 0;

	if (!d->tracks)
		d->tracks = pool_new(&d->pool, struct tracks);
	if (io_grow(&d->tracks->all, d->tracks->count, sizeof(*k), e) < 0 ||
	    proc_inner(k->proc_fd, "status", "NSpid:", &inner, e) < 0)
		return e->code;
	d->tracks->all[d->tracks->count] = *k;
	d->tracks->all[d->tracks->count++].inner = inner;
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

/* A child of vfork() may have the memory of a process that is gone. */
bool track_lost(struct track *k, const struct err *e)
{
	if (way_of(k)->lives(k) && e->code != -ESRCH && e->code != -ENOENT)
		return false;
	way_of(k)->give_up(k);
	return true;
}

void track_drop_lost(struct dump *d)
{
	size_t n = 0;

	for (size_t i = 0; i < d->tracks->count; i++) {
		struct track *k = &d->tracks->all[i];

		if (way_of(k)->lives(k))
			d->tracks->all[n++] = *k;
		else
			track_close(k);
	}
	d->tracks->count = n;
}

int track_written(const struct track *k, uint64_t *ret, struct err *e)
{
	own_ranges found = { 0 };
	int r = way_of(k)->written(k, &found, e);

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

int track_settle(const struct task *t, bool go_on, struct track **ret, struct err *e)
{
	struct maps maps = { t->vmas, t->vma_count };
	struct track *k = has_aio(&maps) ? NULL : track_of(t->dump, t);
	int r = 0;

	if (k && way_of(k)->settle)
		r = way_of(k)->settle(k, &maps, go_on, e);
	if (k && !way_of(k)->lives(k))
		k = NULL;
	*ret = k;
	return r;
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

static void check_aio(struct track *k)
{
	if (has_aio(&k->maps))
		way_of(k)->give_up(k);
}

static int look(struct dump *d, struct track *k, struct err *e)
{
	if (maps_read(k->proc_fd, &d->pool, &k->maps, e) < 0)
		return e->code;
	check_aio(k);
	return 0;
}

int track_look(struct dump *d, struct err *e)
{
	int r = each_track(d, look, e);

	d->tracks->looked_at = io_now_us();
	return r;
}

int track_look_again(struct dump *d, struct err *e)
{
	return io_now_us() - d->tracks->looked_at > FRESH_US ? track_look(d, e) : 0;
}

static int refresh(struct dump *d, struct track *k, struct err *e)
{
	int r = k->maps.count ? maps_update(k->proc_fd, &d->pool, &k->maps, e) : 0;

	if (r == 0)
		return look(d, k, e);
	check_aio(k);
	return r;
}

int track_refresh(struct dump *d, struct err *e)
{
	return each_track(d, refresh, e);
}

static int prepare(struct dump *d, struct track *k, struct err *e)
{
	int r;

	if (!way_of(k)->needs_smaps)
		return 0;
	if (maps_read_brief(k->proc_fd, &d->pool, &k->maps, e) < 0)
		return e->code;
	check_aio(k);
	r = way_of(k)->needs_smaps(k, e);
	return r > 0 ? look(d, k, e) : r;
}

int track_prepare(struct dump *d, struct err *e)
{
	return each_track(d, prepare, e);
}

static int register_new(struct dump *d, struct track *k, struct err *e)
{
	return way_of(k)->register_new ? way_of(k)->register_new(d, k, e) : 0;
}

int track_register(struct dump *d, struct err *e)
{
	return each_track(d, register_new, e);
}

static int collect(struct dump *d, struct track *k, struct err *e)
{
	return way_of(k)->collect ? way_of(k)->collect(d, k, e) : 0;
}

static int release(struct dump *d, struct track *k, struct err *e)
{
	(void)d;
	return way_of(k)->release ? way_of(k)->release(k, e) : 0;
}

int track_release(struct dump *d, struct err *e)
{
	return each_track(d, release, e);
}

int track_collect(struct dump *d, struct err *e)
{
	return each_track(d, collect, e);
}

static int collect_stopped(struct dump *d, struct track *k, struct err *e)
{
	return way_of(k)->collect_stopped ? way_of(k)->collect_stopped(d, k, e) : 0;
}

int track_collect_stopped(struct dump *d, struct err *e)
{
	return each_track(d, collect_stopped, e);
}
