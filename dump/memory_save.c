/*
 * Private pages of a dump: which of them there are, which the folder before holds already, and into which file they go.
 */
#include "dump/memory.h"

#include <stdlib.h>

#include "dump/cow.h"
#include "dump/guard.h"
#include "dump/lazy.h"
#include "dump/stream.h"
#include "dump/track.h"
#include "images/vma.h"
#include "lib/io.h"
#include "lib/pagemap.h"
#include "lib/protected.h"
#include "lib/stats.h"

enum {
	/* Bytes: a mapping for which it pays to look only at what is not protected. */
	LARGE = 4 << 20,
	/* Tasks whose pages are copied together, each with some descriptors of ours; or fewer, with so many runs. */
	TASKS_AT_ONCE = 16,
	RUNS_AT_ONCE = 1 << 17,
};

/* The runs of one task on their way: into its page map and into the list of what is to be copied. */
struct saving {
	const struct task *t;
	struct track *track; /* NULL: no page is known to be clean */
	struct maps maps;
	struct pagemap pm;
	struct pagemap_writer w;
	struct page_run *runs;
	size_t count;
	struct page_range ahead; /* found, not taken yet */
	uint64_t asked_to;	 /* the pages of mappings that end here or below are being found */
	enum { FROM_PAGEMAP, FROM_PROTECTED, FROM_LATER } from; /* that is how */
	struct protected_pages pages;
	const struct ranges *later; /* pages that are saved while it runs on; NULL: none are */
	size_t next_later;	    /* the one of them to be taken next */
	bool protects;		    /* what is found is protected, where that is possible */
	bool runs_on;		    /* a round of pre-copy: what is to be saved was found before */
	struct ranges kept; /* a round: what the folder says, itself or through its parent */
	uint64_t parent_pages;
	/* Of the mapping that is being looked at. */
	uint32_t flags; /* PE_* */
	bool forced;	/* see struct page_run */
	bool early;
	bool stays; /* dump/lazy.h */
	int owned; /* its protection is ours: -1 not asked yet */
};

static int add_copy(struct saving *s, uint64_t start, uint64_t end, uint64_t offset, struct err *e)
{
	struct page_run *last = s->count ? &s->runs[s->count - 1] : NULL;

	if (last && last->vaddr + last->bytes == start && last->forced == s->forced &&
	    last->early == s->early) {
		last->bytes += end - start;
		return 0;
	}
	if (io_grow(&s->runs, s->count, sizeof(*s->runs), e) < 0)
		return e->code;
	s->runs[s->count++] = (struct page_run){ .vaddr = start,
						 .bytes = end - start,
						 .offset = offset,
						 .forced = s->forced,
						 .early = s->early };
	return 0;
}

static int add_run(struct saving *s, uint64_t start, uint64_t end, bool parent, struct err *e)
{
	uint64_t offset = s->w.size, pages = (end - start) / PAGE_SIZE;

	if (pagemap_writer_add(&s->w, start, pages, parent ? PE_PARENT : s->flags, e) < 0)
		return e->code;
	if (s->runs_on && ranges_append(&s->kept, start, end, e) < 0)
		return e->code;
	s->parent_pages += parent ? pages : 0;
	if (!parent && s->stays)
		return dlazy_add(s->t,
				 &(struct page_run){ .vaddr = start,
						     .bytes = end - start,
						     .forced = s->forced },
				 e);
	return parent ? 0 : add_copy(s, start, end, offset, e);
}

/* Anonymous pages that may come after the task runs again; CRIU marks the same ones. */
static bool may_be_lazy(const struct vma *v)
{
	return v->status & VMA_ANON_PRIVATE && !(v->status & (VMA_AREA_VDSO | VMA_AREA_VVAR)) &&
	       !(v->flags & (VMA_LO | VMA_HT));
}

/* Asked for the first page of a mapping that seems to be clean. */
static bool is_ours(struct saving *s, const struct vma *v)
{
	if (s->owned < 0)
		s->owned = s->track && track_owns(s->track, v->start, v->end);
	return s->owned;
}

/* A clean page is the parent's if that has it. */
static int add_clean(struct saving *s, uint64_t start, uint64_t end, struct err *e)
{
	const struct track *k = s->track;
	uint64_t stop, other;

	for (; start < end; start = stop) {
		bool suspect = ranges_hold(&k->suspect, start, end, &stop);
		bool known = ranges_hold(&k->known, start, stop, &other);

		stop = other;
		if (add_run(s, start, stop, known && !suspect, e) < 0)
			return e->code;
	}
	return 0;
}

/* In a round, pages that were neither written nor saved before are left to the rounds that come. */
static int add_round(struct saving *s, uint64_t start, uint64_t end, struct err *e)
{
	const struct track *k = s->track;
	uint64_t stop, other;

	for (; start < end; start = stop) {
		bool due = ranges_hold(&k->written, start, end, &stop);
		bool known = ranges_hold(&k->known, start, stop, &other);

		stop = other;
		if ((due || known) && add_run(s, start, stop, !due, e) < 0)
			return e->code;
	}
	return 0;
}

/* What is clean was found before. */
static int add_settled(struct saving *s, uint64_t start, uint64_t end, struct err *e)
{
	uint64_t stop;

	for (; start < end; start = stop) {
		bool clean = track_is_clean(s->track, start, end, &stop);

		if ((clean ? add_clean(s, start, stop, e) : add_run(s, start, stop, false, e)) < 0)
			return e->code;
	}
	return 0;
}

static int add_found(struct saving *s, const struct vma *v, const struct page_range *r,
		     uint64_t end, struct err *e)
{
	if (s->runs_on)
		return add_round(s, r->start, end, e);
	if (s->track && !track_scans(s->track))
		return add_settled(s, r->start, end, e);
	if (r->clean && is_ours(s, v))
		return add_clean(s, r->start, end, e);
	return add_run(s, r->start, end, false, e);
}

static bool has_pages(const struct saving *s, const struct vma *v)
{
	return (v->status || s->runs_on) && memory_pages_of(s->t, v) == VMA_PAGES_ANON;
}

static bool is_later(const struct saving *s, const struct vma *v)
{
	return s->later && cow_has(s->t, v);
}

/* Large and for the most part clean, perhaps. What is saved later is found otherwise, over the bounds of mappings. */
static bool is_protected(const struct saving *s, const struct vma *v)
{
	return s->pm.tracked && !is_later(s, v) && v->end - v->start >= LARGE && maps_is_anon(v);
}

/* The kernel passes over mappings that it cannot protect, as if they had no pages. */
static bool can_protect(const struct saving *s, const struct vma *v)
{
	struct err ignored = { 0 };

	return s->protects && pagemap_watched(&s->pm, v->start, &ignored) > 0;
}

static bool asked_together(const struct saving *s, const struct vma *a, const struct vma *b)
{
	return has_pages(s, b) && maps_is_anon(a) == maps_is_anon(b) &&
	       is_later(s, a) == is_later(s, b) && !is_protected(s, a) && !is_protected(s, b) &&
	       can_protect(s, b) == s->pm.protects && (s->pm.scans || a->end == b->start);
}

/* Mappings in a row are asked about at once. Gaps between them cost nothing with PAGEMAP_SCAN, and much without. */
static int ask_from(struct saving *s, size_t first, struct err *e)
{
	const struct vma *vmas = s->maps.vmas, *v = &vmas[first];
	size_t last = first;

	s->pm.protects = can_protect(s, v);
	while (last + 1 < s->maps.count && asked_together(s, &vmas[last], &vmas[last + 1]))
		last++;
	s->asked_to = vmas[last].end;
	s->ahead = (struct page_range){ 0 };
	if (is_later(s, v)) {
		s->from = FROM_LATER;
		s->next_later = ranges_find(s->later, v->start);
	} else if (is_protected(s, v)) {
		s->from = FROM_PROTECTED;
		return protected_begin(&s->pages, &s->pm, v->start, v->end, e);
	} else {
		s->from = FROM_PAGEMAP;
		pagemap_range(&s->pm, v->start, vmas[last].end,
			      maps_is_anon(v) ? PAGEMAP_ANON : PAGEMAP_PRIVATE);
	}
	return 0;
}

static int next_found(struct saving *s, struct page_range *ret, struct err *e)
{
	const struct range *r;

	if (s->from == FROM_PAGEMAP)
		return pagemap_next(&s->pm, ret, e);
	if (s->from == FROM_PROTECTED)
		return protected_next(&s->pages, ret, e);
	if (s->next_later == s->later->count)
		return 0;
	r = &s->later->all[s->next_later];
	if (r->start >= s->asked_to)
		return 0;
	*ret = (struct page_range){ .start = r->start, .end = r->end };
	s->next_later++;
	return 1;
}

static int add_pages(struct saving *s, const struct vma *v, struct err *e)
{
	for (;;) {
		struct page_range *r = &s->ahead;
		uint64_t end;
		int got;

		if (r->start == r->end) {
			got = next_found(s, r, e);
			if (got <= 0)
				return got;
		}
		if (r->start >= v->end)
			return 0;
		end = r->end < v->end ? r->end : v->end;
		if (add_found(s, v, r, end, e) < 0)
			return e->code;
		r->start = end;
	}
}

static int add_vma(struct saving *s, size_t number, struct err *e)
{
	const struct vma *v = &s->maps.vmas[number];

	s->stays = may_be_lazy(v) && dlazy_keeps(s->t->dump, v);
	s->flags = (s->stays ? 0 : PE_PRESENT) | (may_be_lazy(v) ? PE_LAZY : 0);
	s->forced = !(v->flags & VMA_RD);
	s->early = v->status && memory_pages_of(s->t, v) == VMA_PAGES_ALL;
	s->owned = -1;
	s->t->dump->opt->dump_stats->pages_scanned += (v->end - v->start) / PAGE_SIZE;
	if (s->early)
		return add_run(s, v->start, v->end, false, e);
	if (!has_pages(s, v))
		return 0;
	if (v->start >= s->asked_to && ask_from(s, number, e) < 0)
		return e->code;
	return add_pages(s, v, e);
}

static int find_runs(struct saving *s, struct err *e)
{
	uint64_t start = io_now_us();

	for (size_t i = 0; i < s->maps.count; i++)
		if (add_vma(s, i, e) < 0)
			return e->code;
	s->t->dump->opt->dump_stats->memdump_time += io_now_us() - start;
	return 0;
}

/* What is saved in the stop is protected in the stop, if the next dump wants to know what was written since. */
static bool counts_on(const struct dump *d)
{
	return d->track_mem && d->opt->leave_running;
}

static void drop(struct saving *s)
{
	pagemap_writer_drop(&s->w);
	protected_free(&s->pages);
	pagemap_close(&s->pm);
	free(s->runs);
	s->runs = NULL;
}

/* Which pages there are; the page map says so already. */
static int begin(struct saving *s, int proc_fd, struct err *e)
{
	int r = pagemap_open(proc_fd, &s->pm, e);

	s->pm.tracked = r == 0 && s->track && track_scans(s->track) && s->pm.scans;
	s->protects = s->pm.tracked && !s->runs_on && counts_on(s->t->dump);
	if (r == 0)
		r = pagemap_writer_begin(&s->w, e);
	if (r == 0)
		r = find_runs(s, e);
	if (r == 0 && s->w.outlet)
		r = pagemap_writer_settle(&s->w, e);
	protected_free(&s->pages);
	pagemap_close(&s->pm);
	return r;
}

/* What is not copied now: 1, and all is done that can be done yet. */
static int leave_for_later(struct saving *s, struct err *e)
{
	if (s->later) {
		s->t->dump->opt->dump_stats->pages_written += s->w.size / PAGE_SIZE;
		return cow_take(s->t, s->runs, s->count, &s->w, e) < 0 ? e->code : 1;
	}
	if (!s->t->dump->stream)
		return 0;
	if (dstream_task(s->t->dump, s->t->pid, &(struct page_list){ &s->runs, s->count, &s->w },
			 e) < 0)
		return e->code;
	return 1;
}

static struct page_copy copy_of(struct saving *s, struct ranges *lost)
{
	return (struct page_copy){ .pid = s->t->pid,
				   .runs = s->runs,
				   .count = s->count,
				   .sink = &s->w.sink,
				   .runs_on = s->runs_on,
				   .lost = lost };
}

static int finish(struct saving *s, struct err *e)
{
	struct dump_stats *stats = s->t->dump->opt->dump_stats;

	stats->pages_written += s->w.size / PAGE_SIZE - s->w.sink.zero_pages - s->w.sink.twin_pages;
	stats->pages_zero += s->w.sink.zero_pages;
	stats->pages_equal += s->w.sink.twin_pages;
	stats->pages_skipped_parent += s->runs_on ? 0 : s->parent_pages;
	return pagemap_writer_finish(&s->w, e);
}

/* Some tasks of the tree, whose pages are copied together. */
struct batch {
	struct dump *d;
	struct saving all[TASKS_AT_ONCE];
	size_t count, runs;
};

static int add_task(struct batch *b, struct task *t, struct err *e)
{
	struct saving *s = &b->all[b->count++];
	int r;

	*s = (struct saving){ .t = t,
			      .maps = { t->vmas, t->vma_count },
			      .pm.fd = -1,
			      .w = { .dir_fd = t->dump->images,
				     .kind = IMG_PAGEMAP,
				     .id = t->inner,
				     .pages_id = memory_pages_id(t->dump),
				     .how = memory_how(t->dump),
				     .outlet = t->dump->outlet,
				     .manifest = &t->dump->manifest } };
	r = track_settle(t, counts_on(t->dump), &s->track, e);
	if (r == 0)
		r = cow_begin(t, e);
	if (r > 0)
		s->later = cow_pages(t);
	if (r >= 0)
		r = begin(s, t->proc_fd, e);
	if (r == 0)
		r = leave_for_later(s, e);
	if (r < 0)
		return err_on(e, "memory of pid %d", t->pid);
	b->runs += s->count;
	if (r > 0)
		drop(&b->all[--b->count]);
	return 0;
}

static int copy_batch(struct batch *b, struct err *e)
{
	struct page_copy copies[TASKS_AT_ONCE];
	uint64_t start = io_now_us();
	size_t failed;
	int r;

	for (size_t i = 0; i < b->count; i++)
		copies[i] = copy_of(&b->all[i], NULL);
	r = memory_copy_all(copies, b->count, &failed, e);
	for (size_t i = 0; i < b->count && r == 0; i++) {
		failed = i;
		r = finish(&b->all[i], e);
	}
	b->d->opt->dump_stats->memwrite_time += io_now_us() - start;
	return r < 0 ? err_on(e, "memory of pid %d", b->all[failed].t->pid) : 0;
}

static void drop_batch(struct batch *b)
{
	while (b->count)
		drop(&b->all[--b->count]);
	b->runs = 0;
}

static int flush(struct batch *b, struct err *e)
{
	int r = b->count ? copy_batch(b, e) : 0;

	drop_batch(b);
	return r;
}

int memory_save_all(struct dump *d, struct err *e)
{
	struct batch b = { .d = d };
	int r = 0;

	for (size_t i = 0; i < d->task_count && r == 0; i++) {
		r = guard_check(d->guard, e);
		if (r == 0 && d->tasks[i]->state != TASK_DEAD)
			r = add_task(&b, d->tasks[i], e);
		/* Pages that are stored once are looked for in files that have been written. */
		if (r == 0 &&
		    (b.count == TASKS_AT_ONCE || b.runs >= RUNS_AT_ONCE || d->opt->compress.once))
			r = flush(&b, e);
	}
	if (r == 0)
		r = flush(&b, e);
	drop_batch(&b);
	return r;
}

static int save_round(struct saving *s, int proc_fd, struct ranges *lost, struct err *e)
{
	struct page_copy copy;
	uint64_t start;
	int r = begin(s, proc_fd, e);

	if (r < 0)
		return r;
	start = io_now_us();
	copy = copy_of(s, lost);
	r = s->t->dump->stream ? dstream_round_copy(s->t->dump, &copy, &s->w, e) :
				 memory_copy(&copy, e);
	s->t->dump->opt->dump_stats->memwrite_time += io_now_us() - start;
	return r < 0 ? r : finish(s, e);
}

int memory_save_round(struct track *k, int dir_fd, uint32_t pages_id, struct manifest *m,
		      struct err *e)
{
	own_ranges lost = { 0 };
	struct saving s = { .t = k->task,
			    .track = k,
			    .maps = k->maps,
			    .runs_on = true,
			    .pm.fd = -1,
			    .w = { .dir_fd = dir_fd,
				   .kind = IMG_PAGEMAP,
				   .id = k->inner,
				   .pages_id = pages_id,
				   .how = memory_how(k->task->dump),
				   .outlet = k->task->dump->outlet,
				   .manifest = m } };
	int r = save_round(&s, k->proc_fd, &lost, e);

	drop(&s);
	if (r < 0) {
		ranges_free(&s.kept);
		return err_on(e, "memory of pid %d", k->pid);
	}
	ranges_free(&k->known);
	k->known = s.kept;
	return ranges_unite(&k->suspect, &lost, e);
}
