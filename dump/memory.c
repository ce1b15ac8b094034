/*
 * Memory of a dump: mappings are recognised by their kinds, private pages are copied straight from the
 * stopped task into a pages file.
 */
#include "dump/memory.h"

#include <errno.h>
#include <string.h>

#include "dump/extra.h"
#include "images/vma.h"
#include "lib/io.h"
#include "lib/log.h"
#include "lib/pagemap.h"
#include "lib/stats.h"

static const struct vma_kind *kind_of(const struct task *t, const struct vma *v)
{
	for (size_t i = 0; i < vma_kind_count; i++)
		if (vma_kinds[i]->match(t, v))
			return vma_kinds[i];
	return NULL;
}

int memory_read(struct task *t, struct err *e)
{
	if (maps_read(t->proc_fd, &t->dump->pool, &t->vmas, &t->vma_count, e) < 0)
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

uint32_t memory_pages_id(struct dump *d)
{
	return ++d->pages_id;
}

/* The runs of one task on their way: into its page map and into the list of what is to be copied. */
struct saving {
	struct task *t;
	struct pagemap pm;
	struct pagemap_writer w;
	struct page_run *runs;
	size_t count;
	struct page_range ahead; /* found, not taken yet */
	uint64_t asked_to;	 /* the pages of mappings that end here or below are found through pm */
	/* Of the mapping that is being looked at. */
	uint32_t flags; /* PE_* */
	bool forced;	/* see struct page_run */
};

static int add_run(struct saving *s, uint64_t start, uint64_t end, struct err *e)
{
	struct page_run *last = s->count ? &s->runs[s->count - 1] : NULL;
	uint64_t offset = s->w.size;

	if (pagemap_writer_add(&s->w, start, (end - start) / PAGE_SIZE, s->flags, e) < 0)
		return e->code;
	if (last && last->vaddr + last->bytes == start && last->forced == s->forced) {
		last->bytes += end - start;
		return 0;
	}
	if (io_grow(&s->runs, s->count, sizeof(*s->runs), e) < 0)
		return e->code;
	s->runs[s->count++] = (struct page_run){
		.vaddr = start, .bytes = end - start, .offset = offset, .forced = s->forced
	};
	return 0;
}

/* Anonymous pages that may come after the task runs again; CRIU marks the same ones. */
static bool may_be_lazy(const struct vma *v)
{
	return v->status & VMA_ANON_PRIVATE && !(v->status & (VMA_AREA_VDSO | VMA_AREA_VVAR)) &&
	       !(v->flags & (VMA_LO | VMA_HT));
}

static bool has_pages(const struct saving *s, const struct vma *v)
{
	return v->status && kind_of(s->t, v)->pages == VMA_PAGES_ANON;
}

/* Mappings in a row are asked about at once. Gaps between them cost nothing with PAGEMAP_SCAN, and much without. */
static void ask_from(struct saving *s, size_t first)
{
	const struct vma *vmas = s->t->vmas;
	size_t last = first;

	while (last + 1 < s->t->vma_count && has_pages(s, &vmas[last + 1]) &&
	       (s->pm.scans || vmas[last].end == vmas[last + 1].start))
		last++;
	pagemap_range(&s->pm, vmas[first].start, vmas[last].end, PAGEMAP_PRIVATE);
	s->asked_to = vmas[last].end;
	s->ahead = (struct page_range){ 0 };
}

static int add_pages(struct saving *s, const struct vma *v, struct err *e)
{
	for (;;) {
		struct page_range *r = &s->ahead;
		uint64_t end;
		int got;

		if (r->start == r->end) {
			got = pagemap_next(&s->pm, r, e);
			if (got <= 0)
				return got;
		}
		if (r->start >= v->end)
			return 0;
		end = r->end < v->end ? r->end : v->end;
		if (add_run(s, r->start, end, e) < 0)
			return e->code;
		r->start = end;
	}
}

static int add_vma(struct saving *s, size_t number, struct err *e)
{
	const struct vma *v = &s->t->vmas[number];

	s->flags = PE_PRESENT | (may_be_lazy(v) ? PE_LAZY : 0);
	s->forced = !(v->flags & VMA_RD);
	s->t->dump->opt->dump_stats->pages_scanned += (v->end - v->start) / PAGE_SIZE;
	if (v->status && kind_of(s->t, v)->pages == VMA_PAGES_ALL)
		return add_run(s, v->start, v->end, e);
	if (!has_pages(s, v))
		return 0;
	if (v->start >= s->asked_to)
		ask_from(s, number);
	return add_pages(s, v, e);
}

static int save_runs(struct saving *s, struct err *e)
{
	struct dump_stats *stats = s->t->dump->opt->dump_stats;
	uint64_t start = io_now_us(), copied;

	for (size_t i = 0; i < s->t->vma_count; i++)
		if (add_vma(s, i, e) < 0)
			return e->code;
	copied = io_now_us();
	if (memory_copy(s->t->pid, s->runs, s->count, s->w.pages_fd, e) < 0)
		return e->code;
	stats->pages_written += s->w.size / PAGE_SIZE;
	stats->memdump_time += copied - start;
	stats->memwrite_time += io_now_us() - copied;
	return pagemap_writer_finish(&s->w, e);
}

int memory_save(struct task *t, struct err *e)
{
	struct saving s = { .t = t,
			    .w = { .dir_fd = t->dump->images,
				   .kind = IMG_PAGEMAP,
				   .id = t->pid,
				   .pages_id = memory_pages_id(t->dump) } };
	int r = pagemap_open(t->proc_fd, &s.pm, e);

	if (r == 0)
		r = pagemap_writer_begin(&s.w, e);
	if (r == 0)
		r = save_runs(&s, e);
	pagemap_writer_drop(&s.w);
	pagemap_close(&s.pm);
	free(s.runs);
	return r < 0 ? err_on(e, "memory of pid %d", t->pid) : 0;
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
