/*
 * Counting what is written from a restore on; see track.h.
 *
 * The count begins when all memory is in place and before anything else is: pages are then what the images say. What the
 * restore makes the kernel write later (restartable sequences, places that are cleared at a thread's end) is marked like any
 * other write, so nothing has to be known of it. Of what is not protected here the next dump saves every page: huge
 * pages of hugetlb, what the kernel does not register. Shared memory needs no tracking (dump/mm/shmem_held.h).
 *
 * By userfaultfd (restore/uffd.h), or by soft-dirty bits, for which nothing is brought into the task.
 */
#include "restore/track.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "images/tracking.h"
#include "images/vma.h"
#include "lib/io.h"
#include "lib/log.h"
#include "lib/pagemap.h"
#include "lib/proc.h"
#include "lib/soft_dirty.h"
#include "lib/track_way.h"
#include "lib/uffd.h"
#include "restore/intact.h"
#include "restore/mm/shmem.h"
#include "restore/uffd.h"

struct tracked {
	struct rtask *t;
	uint64_t start_time;
	int proc_fd;   /* /proc/PID, until the count has begun */
	int held;      /* the userfaultfd, or by soft-dirty the frames; -1: it is not tracked */
	uint64_t mark; /* by soft-dirty: lib/soft_dirty.h */
};

struct rtracks {
	enum track_way way;
	struct tracked *all;
	size_t count;
};

static void say_not(const char *why, const char *hint)
{
	log_warn("%s, so the first dump will save all pages; %s", why, hint);
}

void rtrack_ask(struct restore *r)
{
	enum track_way way = r->opt->track_mem ? track_way() : TRACK_NONE;

	if (!r->opt->track_mem)
		return;
	if (way == TRACK_NONE) {
		say_not("written pages cannot be told from others here",
			"'stasis check' says what is missing");
	} else if (!r->inventory->dump_criu_run_id || !intact_lists(r)) {
		say_not("nothing in the images tells them from others",
			"those of stasis have a manifest");
	} else {
		r->tracks = pool_new(&r->pool, struct rtracks);
		r->tracks->way = way;
	}
}

static bool lives(const struct rtask *t)
{
	return !t->helper && t->state != 2 && t->mm;
}

/* Reads through such a ring go on while threads are stopped, and write without a mark: nothing of the task would be clean. */
static bool has_aio(const struct rtask *t)
{
	for (size_t i = 0; i < t->mm->n_vmas; i++)
		if (t->mm->vmas[i]->status & VMA_AREA_AIORING)
			return true;
	return false;
}

/* Private memory whose pages a dump looks for. */
static bool is_tracked(const VmaEntry *v)
{
	const uint32_t never = VMA_AREA_VDSO | VMA_AREA_VVAR | VMA_AREA_VSYSCALL | VMA_AREA_GUARD |
			       VMA_AREA_AIORING;

	return v->status & (VMA_ANON_PRIVATE | VMA_FILE_PRIVATE) && !(v->status & never) &&
	       !(v->flags & MAP_HUGETLB);
}

/* A task that cannot make one is not tracked. */
static void begin(struct tracked *k, struct task_uffd *made)
{
	struct err why = { 0 };
	own_fd fd = take_fd(&made->fd);

	if (fd < 0)
		return;
	if (uffd_begin(fd, UFFD_WRITES_MARK, &why) < 0)
		log_debug("pid %d: %s", k->t->pid, why.text);
	else
		k->held = take_fd(&fd);
}

static int make_all(struct restore *r, struct rtracks *all, struct err *e)
{
	struct task_uffd *made = pool_array(&r->pool, struct task_uffd, all->count + 1);
	int res;

	for (size_t i = 0; i < all->count; i++)
		made[i].t = all->all[i].t;
	res = ruffd_make(r, made, all->count, uffd_flags(UFFD_WRITES_MARK), e);
	for (size_t i = 0; i < all->count; i++)
		begin(&all->all[i], &made[i]);
	return res;
}

/* Pages that are not there yet need no protection: the kernel gives them without. */
static int protect(const struct tracked *k, struct err *e)
{
	own_pagemap pm = { .fd = -1 };
	uint64_t start = 0, end = 0;
	struct page_range found;
	int got;

	for (size_t i = 0; i < k->t->mm->n_vmas; i++) {
		const VmaEntry *v = k->t->mm->vmas[i];

		if (!is_tracked(v) || !uffd_register(k->held, v->start, v->end))
			continue;
		start = end ? start : v->start;
		end = v->end;
	}
	if (!end)
		return 0;
	if (pagemap_open(k->proc_fd, &pm, e) < 0)
		return e->code;
	pm.protects = true;
	pagemap_range(&pm, start, end, PAGEMAP_WRITTEN);
	while ((got = pagemap_next(&pm, &found, e)) > 0)
		;
	return got;
}

static uint64_t page_to_mark(const struct rtask *t)
{
	for (size_t i = 0; i < t->mm->n_vmas; i++)
		if (t->mm->vmas[i]->status & VMA_AREA_VDSO)
			return t->mm->vmas[i]->end - PAGE_SIZE;
	return 0;
}

/* As dump/track_soft.c does it. Without a vdso nobody could tell that somebody else has cleared the bits. */
static int clear(struct tracked *k, struct err *e)
{
	own_fd copy = memfd_create("stasis-frames", MFD_CLOEXEC);
	own_fd pagemap = openat(k->proc_fd, "pagemap", O_RDONLY | O_CLOEXEC);
	struct soft_dirty_moments m = { .before = -1, .now = pagemap, .copy = copy };

	k->mark = page_to_mark(k->t);
	if (!k->mark)
		return 0;
	if (copy < 0 || pagemap < 0)
		return err_sys(e, "%s", copy < 0 ? "memfd_create" : "open 'pagemap'");
	for (size_t i = 0; i < k->t->mm->n_vmas; i++) {
		const VmaEntry *v = k->t->mm->vmas[i];

		if (is_tracked(v) && soft_dirty_look(&m, v->start, v->end, e) < 0)
			return e->code;
	}
	if (soft_dirty_clear(k->proc_fd, e) < 0 || soft_dirty_mark(k->proc_fd, k->mark, e) < 0)
		return e->code;
	k->held = take_fd(&copy);
	return 0;
}

static int count_from_here(struct restore *r, struct tracked *k, struct err *e)
{
	bool soft = r->tracks->way == TRACK_SOFT_DIRTY;
	struct proc_stat stat;

	if (!soft && k->held < 0)
		return 0;
	if (proc_open(rtask_here(k->t), &k->proc_fd, e) < 0 ||
	    proc_stat_read(k->proc_fd, &stat, e) < 0 || (soft ? clear(k, e) : protect(k, e)) < 0)
		return e->code;
	k->start_time = stat.start_time;
	own_close(&k->proc_fd);
	k->proc_fd = -1;
	return 0;
}

int rtrack_begin(struct restore *r, struct err *e)
{
	struct rtracks *all = r->tracks;
	int res = 0;

	if (!all)
		return 0;
	all->all = pool_array(&r->pool, struct tracked, r->task_count + 1);
	for (size_t i = 0; i < r->task_count; i++)
		if (lives(r->tasks[i]) && !has_aio(r->tasks[i]))
			all->all[all->count++] =
				(struct tracked){ .t = r->tasks[i], .proc_fd = -1, .held = -1 };
	if (all->way == TRACK_UFFD)
		res = make_all(r, all, e);
	for (size_t i = 0; i < all->count && res == 0 && !r->opt->dry_run; i++) {
		res = count_from_here(r, &all->all[i], e);
		if (res < 0)
			res = err_on(e, "tracking of pid %d", all->all[i].t->pid);
	}
	return res;
}

static TrackedEntry *entry_of(struct restore *r, const struct tracked *k)
{
	TrackedEntry *t = pool_new(&r->pool, TrackedEntry);

	tracked_entry__init(t);
	t->pid = rtask_here(k->t);
	t->start_time = k->start_time;
	t->uffd = k->held; /* the keeper is a fork of us */
	t->has_mark = r->tracks->way == TRACK_SOFT_DIRTY;
	t->mark = k->mark;
	return t;
}

/* Objects of shared memory were made anew, and page maps go on to call them as before. */
static void add_shared(struct restore *r, struct tracking *t)
{
	uint64_t ino, shmid;
	size_t count = 0;

	while (rshmem_next(r, count, &ino, &shmid))
		count++;
	t->shared = pool_array(&r->pool, RenumberedEntry *, count + 1);
	for (size_t i = 0; rshmem_next(r, i, &ino, &shmid); i++) {
		RenumberedEntry *one = pool_new(&r->pool, RenumberedEntry);

		renumbered_entry__init(one);
		one->inode = ino;
		one->shmid = shmid;
		if (ino && ino != shmid)
			t->shared[t->shared_count++] = one;
	}
}

void rtrack_keep(struct restore *r)
{
	struct tracking t = { .tree = rtask_here(r->tasks[0]) };
	struct err e = { 0 };

	if (!r->tracks)
		return;
	t.images = r->inventory->dump_criu_run_id;
	t.tasks = pool_array(&r->pool, TrackedEntry *, r->tracks->count + 1);
	for (size_t i = 0; i < r->tracks->count; i++)
		if (r->tracks->all[i].held >= 0)
			t.tasks[t.count++] = entry_of(r, &r->tracks->all[i]);
	if (t.count == 0)
		say_not("no process could be tracked", "the log says why");
	add_shared(r, &t);
	/* The keeper would have the plans for as long as it lives. */
	madvise(r->arena.here, r->arena.size, MADV_DONTFORK);
	if (tracking_start(&t, &e) == 0)
		return;
	log_warn("the first dump will save all pages: %s", e.text);
	rtrack_unkeep(r);
}

void rtrack_unkeep(struct restore *r)
{
	struct err ignored = { 0 };

	if (r->tracks)
		(void)!tracking_end(rtask_here(r->tasks[0]), &ignored);
}

void rtrack_close(struct restore *r)
{
	for (size_t i = 0; r->tracks && i < r->tracks->count; i++) {
		own_close(&r->tracks->all[i].proc_fd);
		own_close(&r->tracks->all[i].held);
	}
	r->tracks = NULL;
}
