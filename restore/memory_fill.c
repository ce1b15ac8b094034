/*
 * Reading private pages: preadv straight from the pages file into place, as few calls as possible; compressed ones are
 * noted and come later (restore/unpack.h). An heir
 * reads only what differs from its parent; both contents are compared in the images, not in the tasks.
 */
#include "restore/memory.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include "images/vma.h"
#include "lib/io.h"
#include "lib/stats.h"
#include "restore/lazy.h"
#include "restore/stream.h"

enum { VECTORS = 256 };
#define HOLE (64 * PAGE_SIZE)
#define CALL_BYTES (1UL << 30) /* the kernel reads at most 2 GiB less a page at once */

/* A piece of a pages file that is looked at for comparing; ours and the parent's. */
struct window {
	int fd;
	uint64_t offset, size;
	char *map;
};

enum { WINDOW = 4 << 20 };

static void window_close(struct window *w)
{
	if (w->map)
		munmap(w->map, w->size);
	w->map = NULL;
}

/* The page at offset of the run's file. Mapped at once as a whole: its faults would cost more than the comparing. */
static const char *look(struct window *w, const struct stored_run *run, uint64_t offset,
			struct err *e)
{
	int fd = run->fd;
	struct stat st;

	if (run->packed)
		return packed_page(run->packed, offset, e);
	if (w->map && w->fd == fd && offset >= w->offset &&
	    offset + PAGE_SIZE <= w->offset + w->size)
		return w->map + (offset - w->offset);
	window_close(w);
	if (fstat(fd, &st) < 0 || (uint64_t)st.st_size < offset + PAGE_SIZE) {
		err_say(e, "a pages file is cut short");
		return NULL;
	}
	w->fd = fd;
	w->offset = offset;
	w->size = (uint64_t)st.st_size - offset < WINDOW ? st.st_size - offset : WINDOW;
	w->map = mmap(NULL, w->size, PROT_READ, MAP_SHARED | MAP_POPULATE, fd, offset);
	if (w->map == MAP_FAILED) {
		w->map = NULL;
		err_sys(e, "map a pages file");
		return NULL;
	}
	return w->map;
}

/* A call being gathered: runs that follow each other in one pages file. */
struct gather {
	struct rtask *t;
	struct plan *p;
	struct expectations *x;
	int fd; /* ours */
	uint64_t offset, bytes;
	struct iovec vec[VECTORS];
	size_t count;
	struct window ours, theirs; /* of an heir */
	bool differed;		    /* the last page that was compared did */
};

static int flush(struct gather *g, struct err *e)
{
	struct expected *more;

	if (g->count == 0)
		return 0;
	struct plan_arg fd = memory_fetch(g->t, g->fd, g->p);
	void *vec = plan_copy(g->p, g->vec, g->count * sizeof(*g->vec));
	int entry = plan_call(g->p, "read pages", SYS_preadv, fd, DATA(g->p, vec), ARG(g->count),
			      ARG(g->offset), ARG(0));
	if (io_grow(&g->x->all, g->x->count, sizeof(*g->x->all), e) < 0)
		return e->code;
	more = &g->x->all[g->x->count++];
	*more = (struct expected){ entry, g->bytes };
	g->t->restore->opt->restore_stats->pages_restored += g->bytes / PAGE_SIZE;
	g->count = g->bytes = 0;
	return 0;
}

/* Pages that belong together, here and in their pages file. */
struct piece {
	int fd;
	const struct packed *packed;
	uint64_t offset, vaddr, bytes;
	bool fresh;	/* nothing but zeros is there */
	bool inherited; /* of a stream: what is there is to be looked at when it comes */
};

static bool continues(const struct gather *g, const struct piece *p, uint64_t part)
{
	return g->fd == p->fd && g->offset + g->bytes == p->offset && g->count < VECTORS &&
	       g->bytes + part <= CALL_BYTES;
}

static int note_packed(struct gather *g, const struct piece *p, struct err *e)
{
	g->t->restore->opt->restore_stats->pages_restored += p->bytes / PAGE_SIZE;
	g->x->waits = true;
	return unpack_add(g->x->packed,
			  &(struct unpack_piece){ .file = p->packed,
						  .offset = p->offset,
						  .bytes = p->bytes,
						  .fresh = p->fresh,
						  .pid = rtask_here(g->t),
						  .fd = -1,
						  .to = p->vaddr },
			  e);
}

static int note_stream(struct gather *g, const struct piece *p, struct err *e)
{
	g->t->restore->opt->restore_stats->pages_restored += p->bytes / PAGE_SIZE;
	g->x->waits = true;
	return rstream_place(g->t->restore,
			     &(struct stream_place){ .pages_id = g->t->pages->pages_id,
						     .offset = p->offset,
						     .bytes = p->bytes,
						     .fresh = p->fresh,
						     .inherited = p->inherited,
						     .pid = rtask_here(g->t),
						     .fd = -1,
						     .to = p->vaddr },
			     e);
}

static int add(struct gather *g, struct piece p, struct err *e)
{
	if (g->t->restore->stream)
		return note_stream(g, &p, e);
	if (p.packed)
		return note_packed(g, &p, e);
	while (p.bytes) {
		uint64_t part = p.bytes < CALL_BYTES ? p.bytes : CALL_BYTES;
		struct iovec *last;

		if (g->count && !continues(g, &p, part) && flush(g, e) < 0)
			return e->code;
		last = g->count ? &g->vec[g->count - 1] : NULL;
		if (!last) {
			g->fd = p.fd;
			g->offset = p.offset;
		}
		if (last && (uint64_t)last->iov_base + last->iov_len == p.vaddr)
			last->iov_len += part;
		else
			g->vec[g->count++] = (struct iovec){ (void *)p.vaddr, part };
		g->bytes += part;
		p.offset += part;
		p.vaddr += part;
		p.bytes -= part;
	}
	return 0;
}

/* The next hole that is worth a call more, at or behind 'at'; its end is there too. */
static struct piece next_hole(const struct piece *p, uint64_t at)
{
	uint64_t end = p->offset + p->bytes;
	struct piece none = { .offset = end }, hole = none;
	off_t from, to;

	while (at < end) {
		from = lseek(p->fd, at, SEEK_HOLE);
		if (from < 0 || (uint64_t)from >= end)
			return none;
		to = lseek(p->fd, from, SEEK_DATA);
		if (to < 0 || (uint64_t)to > end)
			to = end; /* ENXIO: there is no more data */
		hole.offset = (from + PAGE_SIZE - 1) & ~(PAGE_SIZE - 1);
		hole.bytes = ((uint64_t)to & ~(PAGE_SIZE - 1)) - hole.offset;
		if ((uint64_t)to > hole.offset && hole.bytes >= HOLE)
			return hole;
		at = to;
	}
	return none;
}

/* Where zeros are anyway, holes of the pages file need not be read. */
static int add_data(struct gather *g, const struct piece *p, struct err *e)
{
	uint64_t at = p->offset, end = p->offset + p->bytes;

	while (at < end) {
		struct piece hole = next_hole(p, at), part = *p;

		part.offset = at;
		part.vaddr += at - p->offset;
		part.bytes = hole.offset - at;
		if (add(g, part, e) < 0)
			return e->code;
		at = hole.offset + hole.bytes;
	}
	return 0;
}

static struct piece piece_of(const struct stored_run *run, uint64_t from, uint64_t to)
{
	return (struct piece){ .fd = run->fd,
			       .packed = run->packed,
			       .offset = run->offset + (from - run->vaddr),
			       .vaddr = from,
			       .bytes = to - from };
}

enum { FIRST = 64 };

/* The first bytes of a page. false: not to be had that way. */
static bool glance(const struct stored_run *run, uint64_t offset, char *ret)
{
	int fd = run->packed && run->packed->plain ? run->packed->fd : run->fd;

	return fd >= 0 && pread(fd, ret, FIRST, offset) == FIRST;
}

/* Where the page before was different, this one mostly is, too, and its first bytes tell it without mapping it. */
static bool differs_at_once(struct gather *g, const struct stored_run *ours,
			    const struct stored_run *its, uint64_t vaddr)
{
	char a[FIRST], b[FIRST];

	return g->differed && glance(ours, ours->offset + (vaddr - ours->vaddr), a) &&
	       glance(its, its->offset + (vaddr - its->vaddr), b) && memcmp(a, b, FIRST) != 0;
}

/* Both are stored once, in one place, so nobody needs to look. */
static bool same_place(const struct stored_run *a, const struct stored_run *b, uint64_t vaddr)
{
	struct packed_where x, y;

	if (!a->packed || !b->packed || (!a->packed->ref_count && !b->packed->ref_count))
		return false;
	x = packed_where(a->packed, (a->offset + (vaddr - a->vaddr)) / PAGE_SIZE, 1);
	y = packed_where(b->packed, (b->offset + (vaddr - b->vaddr)) / PAGE_SIZE, 1);
	return x.file == y.file && x.page == y.page;
}

/* 1: the parent's page at this address is the same, 0: it is not, or is not stored. */
static int equal(struct gather *g, const struct stored_run *ours, const struct stored_run *its,
		 uint64_t vaddr, struct err *e)
{
	const char *a, *b;

	if (!its || its->vaddr > vaddr || !(its->flags & PE_PRESENT))
		return 0;
	if (differs_at_once(g, ours, its, vaddr))
		return 0;
	if (same_place(ours, its, vaddr))
		return 1;
	a = look(&g->ours, ours, ours->offset + (vaddr - ours->vaddr), e);
	b = a ? look(&g->theirs, its, its->offset + (vaddr - its->vaddr), e) : NULL;
	if (!b)
		return e->code;
	g->differed = memcmp(a, b, PAGE_SIZE) != 0;
	return !g->differed;
}

static int fill_different(struct gather *g, const struct stored_run *run, uint64_t from,
			  uint64_t to, struct err *e)
{
	struct restore_stats *stats = g->t->restore->opt->restore_stats;
	int r = 0;

	for (uint64_t at = from; at < to && r >= 0; at += PAGE_SIZE) {
		const struct stored_run *its = stored_pages_find(g->t->parent->pages, at);

		r = equal(g, run, its, at, e);
		stats->pages_compared += its && its->vaddr <= at;
		stats->pages_skipped_cow += r == 1;
		if (r == 0)
			r = add(g, piece_of(run, at, at + PAGE_SIZE), e);
	}
	return r < 0 ? r : 0;
}

/* Contents that come from elsewhere: the vdso's code is the running kernel's, an AIO ring is copied by its kind. */
static bool filled_by_kind(const VmaEntry *v)
{
	return v->status & (VMA_AREA_VDSO | VMA_AREA_VVAR | VMA_AREA_VSYSCALL | VMA_AREA_AIORING |
			    VMA_AREA_GUARD);
}

bool memory_fills(const struct rtask *t, const VmaEntry *v)
{
	const struct stored_run *run = stored_pages_find(t->pages, v->start);

	return !filled_by_kind(v) && run && run->vaddr < v->end;
}

/* Pages that the parent has and the heir does not: zero again, or the file's. */
static void drop_extra(struct gather *g, const VmaEntry *v)
{
	uint64_t at = v->start;

	while (at < v->end) {
		const struct stored_run *its = stored_pages_find(g->t->parent->pages, at);
		const struct stored_run *ours = stored_pages_find(g->t->pages, at);
		uint64_t end;

		if (!its || its->vaddr >= v->end)
			return;
		at = its->vaddr > at ? its->vaddr : at;
		end = its->vaddr + its->nr_pages * PAGE_SIZE;
		end = end < v->end ? end : v->end;
		ours = stored_pages_find(g->t->pages, at);
		if (ours && ours->vaddr <= at) {
			at = ours->vaddr + ours->nr_pages * PAGE_SIZE;
			continue;
		}
		if (ours && ours->vaddr < end)
			end = ours->vaddr;
		plan_call(g->p, "drop pages of the parent", SYS_madvise, ARG(at), ARG(end - at),
			  ARG(MADV_DONTNEED));
		at = end;
	}
}

/* Anonymous memory that has just been mapped is zero. Of huge pages all that were there are to be there again. */
static int fill_new(struct gather *g, const VmaEntry *v, struct piece p, struct err *e)
{
	p.fresh = v->status & VMA_ANON_PRIVATE && !(v->flags & MAP_HUGETLB);
	if (p.fresh && !p.packed && !g->t->restore->stream && p.bytes >= HOLE)
		return add_data(g, &p, e);
	return add(g, p, e);
}

/* In a mapping that the parent has as well. */
static int fill_heir(struct gather *g, const struct stored_run *run, uint64_t from, uint64_t to,
		     struct err *e)
{
	struct piece p = piece_of(run, from, to);

	if (!g->t->restore->stream)
		return fill_different(g, run, from, to, e);
	p.inherited = true;
	return add(g, p, e);
}

static int fill_vma(struct gather *g, const VmaEntry *v, struct err *e)
{
	bool inherited = memory_inherited(g->t, v) != NULL;
	const struct stored_run *run;
	uint64_t at = v->start;

	while (at < v->end && (run = stored_pages_find(g->t->pages, at)) && run->vaddr < v->end) {
		uint64_t end = run->vaddr + run->nr_pages * PAGE_SIZE;
		uint64_t from = run->vaddr > at ? run->vaddr : at;

		end = end < v->end ? end : v->end;
		if (rlazy_covers_run(g->t, v, run)) {
			at = end;
			continue;
		}
		/* They would be written into the file, or into what other processes have. */
		if (v->status & (VMA_FILE_SHARED | VMA_ANON_SHARED))
			return err_say(
				e, "'pagemap-%d.img' has pages at %lx, where a mapping is shared",
				g->t->pid, from);
		if (inherited ? fill_heir(g, run, from, end, e) < 0 :
				fill_new(g, v, piece_of(run, from, end), e) < 0)
			return e->code;
		at = end;
	}
	if (inherited)
		drop_extra(g, v);
	return 0;
}

uint32_t memory_fill_room(const struct rtask *t)
{
	/* A call for every VECTORS runs, every change of file and every hole at worst; an heir may need one for each page. */
	if (t->inherits)
		return stored_pages_count(t->pages) + stored_pages_count(t->parent->pages) + 16;
	return 2 * t->pages->count + stored_pages_count(t->pages) * PAGE_SIZE / HOLE +
	       t->mm->n_vmas + 16;
}

/* What comparing has needed of the compressed files. */
static void forget_packed(const struct rtask *t)
{
	for (size_t i = 0; i < t->pages->packed_count; i++)
		packed_forget(t->pages->packed[i]);
	for (size_t i = 0; t->inherits && i < t->parent->pages->packed_count; i++)
		packed_forget(t->parent->pages->packed[i]);
}

int memory_fill(struct rtask *t, struct plan *p, struct expectations *x, struct err *e)
{
	struct gather g = { .t = t, .p = p, .x = x };
	int r = 0;

	for (size_t i = 0; i < t->mm->n_vmas && r == 0; i++)
		if (!filled_by_kind(t->mm->vmas[i]))
			r = fill_vma(&g, t->mm->vmas[i], e);
	window_close(&g.ours);
	window_close(&g.theirs);
	forget_packed(t);
	return r < 0 ? r : flush(&g, e);
}
