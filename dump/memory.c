/* Mappings of a dump: recognised by their kinds, and what the images say of them. */
#include "dump/memory.h"

#include <errno.h>
#include <string.h>

#include "dump/extra.h"
#include "dump/track.h"
#include "images/vma.h"

static const struct vma_kind *kind_of(const struct task *t, const struct vma *v)
{
	for (size_t i = 0; i < vma_kind_count; i++)
		if (vma_kinds[i]->match(t, v))
			return vma_kinds[i];
	return NULL;
}

enum vma_pages memory_pages_of(const struct task *t, const struct vma *v)
{
	const struct vma_kind *kind = kind_of(t, v);

	return kind ? kind->pages : VMA_PAGES_NONE;
}

/*
 * What only smaps tells takes the kernel a walk through all pages, which a short stop has no time for. It is taken from
 * a moment before the stop, unless there are mappings now that were not there.
 */
static int read_maps(struct task *t, struct err *e)
{
	const struct track *k = track_of(t->dump, t);
	struct maps maps = k ? k->maps : (struct maps){ 0 };
	int got = maps.count ? maps_update(t->proc_fd, &t->dump->pool, &maps, e) : 0;

	if (got == 0)
		got = maps_read(t->proc_fd, &t->dump->pool, &maps, e);
	t->vmas = maps.vmas;
	t->vma_count = maps.count;
	return got < 0 ? got : 0;
}

int memory_read(struct task *t, struct err *e)
{
	if (read_maps(t, e) < 0)
		return err_on(e, "mappings of pid %d", t->pid);
	for (size_t i = 0; i < t->vma_count; i++) {
		struct vma *v = &t->vmas[i];
		const struct vma_kind *kind = kind_of(t, v);

		v->fd_flags = -1;
		if (!kind) {
			err_code(e, ENOTSUP,
				 "the mapping %lx-%lx (%s) of pid %d is of a kind that is "
				 "not supported",
				 (unsigned long)v->start, (unsigned long)v->end, v->name, t->pid);
			return err_hint(e, "unmap it before the dump");
		}
		if (kind->classify(t, v, e) < 0)
			return err_on(e, "mapping %lx-%lx (%s) of pid %d", (unsigned long)v->start,
				      (unsigned long)v->end, kind->name, t->pid);
	}
	return 0;
}

/* MADV_* advice that VmFlags tells, as bits of vma_entry.madv. */
static uint64_t advice(const struct vma *v)
{
	static const struct {
		uint32_t flag;
		int advice;
	} table[] = {
		{ VMA_RR, 1 },	{ VMA_SR, 2 },	{ VMA_DC, 10 }, { VMA_MG, 12 },
		{ VMA_HG, 14 }, { VMA_NH, 15 }, { VMA_DD, 16 }, { VMA_WF, 18 },
	};
	uint64_t bits = 0;

	for (size_t i = 0; i < ARRAY_SIZE(table); i++)
		if (v->flags & table[i].flag)
			bits |= 1ULL << table[i].advice;
	return bits;
}

static uint32_t map_flags(const struct vma *v)
{
	uint32_t flags = v->flags & VMA_SH ? 1 : 2;

	if (v->flags & VMA_DP)
		flags = 8; /* MAP_DROPPABLE stands instead of MAP_PRIVATE */
	if (v->status & (VMA_ANON_PRIVATE | VMA_ANON_SHARED))
		flags |= 0x20;
	if (v->flags & VMA_GD)
		flags |= 0x100;
	if (v->flags & VMA_LO)
		flags |= 0x2000;
	if (v->flags & VMA_NR)
		flags |= 0x4000;
	if (v->flags & VMA_HT)
		flags |= 0x40000 | (uint32_t)__builtin_ctzll(v->page_size) << 26;
	return flags;
}

static VmaEntry *make_entry(struct task *t, const struct vma *v)
{
	VmaEntry *m = pool_new(&t->dump->pool, VmaEntry);

	vma_entry__init(m);
	m->start = v->start;
	m->end = v->end;
	m->pgoff = v->pgoff;
	m->shmid = v->shmid;
	m->prot = v->flags & (VMA_RD | VMA_WR | VMA_EX); /* the same bits as PROT_* */
	m->flags = map_flags(v);
	m->status = v->status;
	m->fd = -1;
	m->madv = advice(v);
	m->has_madv = m->madv != 0;
	m->has_fdflags = v->fd_flags >= 0;
	m->fdflags = m->has_fdflags ? v->fd_flags : 0;
	return m;
}

/* Locked by mlock2(MLOCK_ONFAULT), only touched pages are kept in. An entry says that it is locked, not how. */
static void note_locked_on_fault(struct task *t)
{
	size_t count = 0;
	ExtraEntry *x;

	for (size_t i = 0; i < t->vma_count; i++)
		count += t->vmas[i].flags & VMA_LF && t->vmas[i].status;
	if (!count)
		return;
	x = thread_extra(&t->threads[0]);
	x->locked_on_fault = pool_array(&t->dump->pool, uint64_t, count);
	for (size_t i = 0; i < t->vma_count; i++)
		if (t->vmas[i].flags & VMA_LF && t->vmas[i].status)
			x->locked_on_fault[x->n_locked_on_fault++] = t->vmas[i].start;
}

int memory_entries(struct task *t, struct err *e)
{
	t->mm->vmas = pool_array(&t->dump->pool, VmaEntry *, t->vma_count);
	for (size_t i = 0; i < t->vma_count; i++) {
		const struct vma_kind *kind = kind_of(t, &t->vmas[i]);
		VmaEntry *m;

		if (!t->vmas[i].status)
			continue;
		m = make_entry(t, &t->vmas[i]);
		t->mm->vmas[t->mm->n_vmas++] = m;
		if (kind->entry && kind->entry(t, &t->vmas[i], m, e) < 0)
			return err_on(e, "mapping %lx-%lx of pid %d", (unsigned long)m->start,
				      (unsigned long)m->end, t->pid);
	}
	note_locked_on_fault(t);
	for (size_t i = 0; i < vma_kind_count; i++)
		if (vma_kinds[i]->task && vma_kinds[i]->task(t, e) < 0)
			return err_on(e, "%s of pid %d", vma_kinds[i]->name, t->pid);
	return 0;
}

int memory_folder(struct dump *d, int dir_fd, struct err *e)
{
	seen_end(&d->seen);
	return d->opt->compress.once ? seen_begin(&d->seen, dir_fd, e) : 0;
}

struct compression memory_how(const struct dump *d)
{
	struct compression none = { 0 }, how = d->opt->compress;

	how.seen = d->seen;
	return d->stream ? none : how;
}

uint32_t memory_pages_id(struct dump *d)
{
	return ++d->pages_id;
}
