/*
 * Mappings of io_uring rings, which restore/fd/uring.c has made with what is in them.
 *
 * The kernel does not let anybody say where such a ring is to be, nor move it: it takes the highest gap that is large enough. So
 * when everything else is in its place, all other gaps are filled for a moment.
 */
#include "restore/memory.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#include "images/fd/uring.pb-c.h"
#include "images/vma.h"
#include "lib/io.h"
#include "restore/files_table.h"

/* Where mappings may be, unless a program asks for more. */
#define SPACE_BEGIN 0x10000UL
#define SPACE_END 0x7ffffffff000UL

struct range {
	uint64_t start, end;
};

struct ranges_taken {
	struct range *at;
	size_t count;
};

static bool uring_match(const VmaEntry *v)
{
	return v->status & VMA_EXT_PLUGIN;
}

static const struct rfile *find_ring(const struct rtask *t, const VmaEntry *v)
{
	const struct rfiles *files = t->restore->files;

	for (size_t i = 0; i < files->count; i++) {
		const struct rfile *f = &files->files[i];

		if (f->extra && f->extra->uring && f->extra->uring->ino == v->shmid && f->fd >= 0)
			return f;
	}
	return NULL;
}

static int uring_map(struct rtask *t, const VmaEntry *v, bool, struct plan *p, struct err *e)
{
	if (!find_ring(t, v))
		return err_say(e, "it is of a ring that is not in the images");
	plan_call(p, "keep the place of a ring of io_uring free", SYS_mmap, ARG(v->start),
		  ARG(v->end - v->start), ARG(PROT_NONE),
		  ARG(MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED), ARG(-1));
	return 0;
}

/* --- filling gaps ------------------------------------------------------------------------------ */

static int add_range(struct ranges_taken *all, uint64_t start, uint64_t end, struct err *e)
{
	if (io_grow(&all->at, all->count, sizeof(*all->at), e) < 0)
		return e->code;
	all->at[all->count++] = (struct range){ start, end };
	return 0;
}

static int by_start(const void *va, const void *vb)
{
	const struct range *a = va, *b = vb;

	return a->start < b->start ? -1 : a->start > b->start;
}

/* What is there now, the runner and so on, and what will be by then. */
static int find_taken(const struct rtask *t, struct ranges_taken *all, struct err *e)
{
	unsigned long start, end;
	char path[32];

	for (size_t i = 0; i < t->mm->n_vmas; i++)
		if (add_range(all, t->mm->vmas[i]->start, t->mm->vmas[i]->end, e) < 0)
			return e->code;
	snprintf(path, sizeof(path), "/proc/%d/maps", rtask_here(t));
	own_file f = fopen(path, "re");
	if (!f)
		return err_sys(e, "open '%s'", path);
	while (fscanf(f, "%lx-%lx %*[^\n]", &start, &end) == 2)
		if (add_range(all, start, end, e) < 0)
			return e->code;
	qsort(all->at, all->count, sizeof(*all->at), by_start);
	return 0;
}

static void change_gap(uint64_t start, uint64_t end, bool fill, struct plan *p)
{
	if (end > SPACE_END)
		end = SPACE_END;
	if (start >= end)
		return;
	if (fill)
		plan_call(p, "fill a gap", SYS_mmap, ARG(start), ARG(end - start), ARG(PROT_NONE),
			  ARG(MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED), ARG(-1));
	else
		plan_call(p, "free a gap", SYS_munmap, ARG(start), ARG(end - start));
}

static int change_gaps(const struct rtask *t, bool fill, struct plan *p, struct err *e)
{
	struct ranges_taken taken = { 0 };
	uint64_t at = SPACE_BEGIN;
	int r = find_taken(t, &taken, e);

	for (size_t i = 0; r == 0 && i < taken.count; i++) {
		change_gap(at, taken.at[i].start, fill, p);
		if (taken.at[i].end > at)
			at = taken.at[i].end;
	}
	if (r == 0)
		change_gap(at, SPACE_END, fill, p);
	free(taken.at);
	return r;
}

/* Whether the task has another ring before this mapping, or behind it. */
static bool has_another(const struct rtask *t, const VmaEntry *v, bool before)
{
	for (size_t i = 0; i < t->mm->n_vmas; i++) {
		const VmaEntry *o = t->mm->vmas[i];

		if (uring_match(o) && (before ? o->start < v->start : o->start > v->start))
			return true;
	}
	return false;
}

/* --- mapping ----------------------------------------------------------------------------------- */

static void map_in_place(struct rtask *t, const VmaEntry *v, int fd, struct plan *p)
{
	uint64_t size = v->end - v->start;

	plan_call(p, "make room for a ring of io_uring", SYS_munmap, ARG(v->start), ARG(size));
	plan_call(p, "map a ring of io_uring", SYS_mmap, ARG(0), ARG(size), ARG(v->prot),
		  ARG(MAP_SHARED), memory_fetch(t, fd, p), ARG(v->pgoff));
	/* It fails where nothing is. */
	plan_call(p, "look whether a ring of io_uring came to its place", SYS_mincore,
		  ARG(v->start), ARG(size), DATA(p, plan_data(p, size / PAGE_SIZE + 1)));
	for (int bit = 0; bit < 32; bit++)
		if (v->madv >> bit & 1)
			plan_call(p, "advise about a ring of io_uring", SYS_madvise, ARG(v->start),
				  ARG(size), ARG(bit));
}

static int uring_after(struct rtask *t, const VmaEntry *v, struct plan *p, struct err *e)
{
	const struct rfile *f = find_ring(t, v);

	if (t->restore->opt->dry_run)
		return 0;
	if (!has_another(t, v, true) && change_gaps(t, true, p, e) < 0)
		return e->code;
	map_in_place(t, v, f->fd, p);
	return has_another(t, v, false) ? 0 : change_gaps(t, false, p, e);
}

const struct vma_restore_kind uring_restore_kind = {
	.name = "mm/uring",
	.match = uring_match,
	.map = uring_map,
	.after = uring_after,
};
