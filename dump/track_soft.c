/*
 * Written pages by soft-dirty bits; see track.h and lib/soft_dirty.h. Nothing is brought into the process. Looking at the bits
 * and clearing them are two things, so both are done while it is stopped.
 *
 * What somebody else clears would be missing from our count. That shows by a page of the vdso, which nobody writes: its bit
 * is set by us after each clearing. It is the last one, since the first is where the runner is brought in by.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "dump/trackers.h"
#include "images/tracking.h"
#include "lib/io.h"
#include "lib/log.h"
#include "lib/soft_dirty.h"
#include "parasite/inject.h"

/* Processes that have no memory any more have no program either. */
static bool lives(const struct track *k)
{
	char byte;

	return !k->soft->over && (readlinkat(k->proc_fd, "exe", &byte, 1) >= 0 ||
				  (errno != ENOENT && errno != ESRCH));
}

static void give_up(struct track *k)
{
	own_close(&k->soft->frames);
	k->soft->frames = -1;
	k->soft->over = true;
	ranges_free(&k->soft->clean);
}

int track_held(const struct track *k)
{
	return k->soft ? k->soft->frames : k->uffd;
}

void soft_track_put(struct dump *d, struct track *k, int frames, uint64_t mark)
{
	k->soft = pool_new(&d->pool, struct soft_track);
	k->soft->frames = frames;
	k->soft->mark = mark;
	k->uffd = -1;
}

static int arm(struct dump *d, const struct task *t, struct err *e)
{
	struct track k = { .pid = t->pid, .start_time = t->stat.start_time, .task = t };

	if (tracking_end_of_memory(t->pid, e) < 0 || proc_open(k.pid, &k.proc_fd, e) < 0)
		return e->code;
	soft_track_put(d, &k, -1, 0);
	if (track_add(d, &k, e) == 0)
		return 0;
	track_close(&k);
	return e->code;
}

int soft_track_arm(struct dump *d, struct err *e)
{
	for (size_t i = 0; i < d->task_count; i++) {
		struct task *t = d->tasks[i];

		/* One with a userfaultfd of its own is left alone: what becomes of its pages is not for us to say. */
		if (t->state != TASK_DEAD && !track_of(d, t) && inject_find_uffd(t->pid) < 0 &&
		    arm(d, t, e) < 0)
			return err_on(e, "pid %d", t->pid);
	}
	return 0;
}

static int look(const struct track *k, const struct maps *maps, const struct soft_dirty_moments *m,
		struct err *e)
{
	size_t next;

	for (size_t i = 0; i < maps->count; i = next) {
		uint64_t end = maps->vmas[i].end;

		next = i + 1;
		if (!track_can(k, &maps->vmas[i]))
			continue;
		for (; next < maps->count && maps->vmas[next].start == end &&
		       track_can(k, &maps->vmas[next]);
		     next++)
			end = maps->vmas[next].end;
		if (soft_dirty_look(m, maps->vmas[i].start, end, e) < 0)
			return e->code;
	}
	return 0;
}

static int open_pagemap(const struct track *k, int *ret, struct err *e)
{
	*ret = openat(k->proc_fd, "pagemap", O_RDONLY | O_CLOEXEC);
	return *ret < 0 ? err_sys(e, "open 'pagemap'") : 0;
}

/* The frames of when the count began; -1: it has not, or means nothing any more. */
static int trusted(const struct track *k, int pagemap)
{
	if (k->soft->frames < 0)
		return -1;
	switch (soft_dirty_is_marked(pagemap, k->soft->mark)) {
	case MARK_IS_THERE:
		return k->soft->frames;
	case MARK_IS_CLEARED:
		log_warn("pid %d: somebody else has cleared its soft-dirty bits, so all of its "
			 "pages are saved",
			 k->pid);
		break;
	case MARK_IS_LOST:
		log_info("pid %d: it has other memory than before, so all of its pages are saved",
			 k->pid);
		break;
	}
	return -1;
}

static int written(const struct track *k, struct ranges *ret, struct err *e)
{
	struct soft_dirty_moments m = { .before = k->soft->frames, .copy = -1, .written = ret };
	own_fd pagemap = -1;

	if (open_pagemap(k, &pagemap, e) < 0)
		return e->code;
	m.now = pagemap;
	return look(k, &k->maps, &m, e);
}

static uint64_t page_to_mark(const struct maps *maps)
{
	for (size_t i = 0; i < maps->count; i++)
		if (strcmp(maps->vmas[i].name, "[vdso]") == 0)
			return maps->vmas[i].end - PAGE_SIZE;
	return 0;
}

/* From here on the bits say what was written after this moment. */
static int count_anew(struct track *k, uint64_t mark, int frames, struct err *e)
{
	struct soft_track *s = k->soft;

	own_close(&s->frames);
	s->frames = -1;
	s->mark = mark;
	if (soft_dirty_clear(k->proc_fd, e) < 0 || soft_dirty_mark(k->proc_fd, mark, e) < 0)
		return e->code;
	s->frames = frames;
	return 0;
}

/* While it is stopped. */
static int compare(struct track *k, const struct maps *maps, bool go_on, struct err *e)
{
	struct soft_dirty_moments m = { .written = &k->written, .clean = &k->soft->clean };
	uint64_t mark = page_to_mark(maps);
	own_fd pagemap = -1, copy = -1;

	ranges_free(&k->written);
	ranges_free(&k->soft->clean);
	if (open_pagemap(k, &pagemap, e) < 0)
		return e->code;
	if (go_on)
		copy = memfd_create("stasis-frames", MFD_CLOEXEC);
	if (go_on && copy < 0)
		return err_sys(e, "memfd_create");
	m.now = pagemap;
	m.before = trusted(k, pagemap);
	m.copy = copy;
	if (look(k, maps, &m, e) < 0)
		return e->code;
	if (!go_on)
		return 0;
	if (count_anew(k, mark, copy, e) < 0)
		return e->code;
	take_fd(&copy);
	return 0;
}

/* An orphan may have left the tree, and runs on. */
static bool is_stopped(const struct dump *d, const struct track *k)
{
	for (size_t i = 0; i < d->task_count; i++)
		if (track_of(d, d->tasks[i]) == k)
			return true;
	return false;
}

/* Without a vdso nobody could tell that somebody else has cleared the bits. */
static int collect_stopped(struct dump *d, struct track *k, struct err *e)
{
	int r;

	if (!k->maps.count)
		return 0; /* it is new */
	if (!page_to_mark(&k->maps) || !is_stopped(d, k)) {
		log_debug("pid %d: it has no vdso or is not stopped, so it is not tracked", k->pid);
		give_up(k);
		return 0;
	}
	r = compare(k, &k->maps, true, e);
	if (r == -EIO) {
		/* The page to be marked is not there: since the layout was looked at it has called execve(). */
		log_debug("pid %d: it has other memory than before, so it is not tracked", k->pid);
		give_up(k);
		return 0;
	}
	if (r < 0 || ranges_unite(&k->written, &k->suspect, e) < 0)
		return e->code;
	ranges_free(&k->suspect);
	return 0;
}

static int settle(struct track *k, const struct maps *maps, bool go_on, struct err *e)
{
	return compare(k, maps, go_on && page_to_mark(maps), e);
}

const struct tracker soft_tracker = {
	.lives = lives,
	.give_up = give_up,
	.collect_stopped = collect_stopped,
	.written = written,
	.settle = settle,
};
