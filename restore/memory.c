/*
 * Memory of a restore: one plan a task that maps everything at its place, reads the private pages, and sets the
 * final protections.
 *
 * An heir was cloned from its parent when that had its memory: mappings that are the same in both are kept, and
 * with them every page that is equal stays shared copy-on-write.
 */
#include "restore/memory.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#include "images/vma.h"
#include "lib/io.h"
#include "lib/log.h"
#include "restore/extra.h"
#include "restore/intact.h"
#include "restore/lazy.h"
#include "restore/mempolicy.h"
#include "restore/run.h"
#include "restore/stream.h"

enum { ENTRIES_PER_VMA = 15, SPARE = 256 };

static const struct vma_restore_kind *kind_of(const VmaEntry *v)
{
	for (size_t i = 0; i < vma_restore_kind_count; i++)
		if (vma_restore_kinds[i]->match(v))
			return vma_restore_kinds[i];
	return NULL;
}

/* What a mapping may be asked to be, by MADV_*: all else does something to its contents, or to those of a file. */
#define ADVICE                                                                                    \
	(1U << MADV_RANDOM | 1U << MADV_SEQUENTIAL | 1U << MADV_DONTFORK | 1U << MADV_MERGEABLE | \
	 1U << MADV_HUGEPAGE | 1U << MADV_NOHUGEPAGE | 1U << MADV_DONTDUMP |                      \
	 1U << MADV_WIPEONFORK)
/* Above all that a process can map, with five levels of page tables; the page of vsyscall is higher still. */
#define ADDRESSES (1UL << 56)

static bool is_possible(const VmaEntry *v)
{
	bool in_kernel = v->status & VMA_AREA_VSYSCALL;

	return v->start < v->end && !((v->start | v->end) & (PAGE_SIZE - 1)) &&
	       (in_kernel || v->end <= ADDRESSES) && !(v->madv & ~(uint64_t)ADVICE) &&
	       !(v->prot & ~(PROT_READ | PROT_WRITE | PROT_EXEC));
}

/* What is written into a private mapping must not get into a file because it is said to be a shared one elsewhere. */
static bool says_one_thing(const VmaEntry *v)
{
	const uint32_t shared = VMA_FILE_SHARED | VMA_ANON_SHARED;
	const uint32_t private = VMA_FILE_PRIVATE | VMA_ANON_PRIVATE;

	if (v->status & VMA_AREA_GUARD || !(v->status & (shared | private)))
		return true;
	return !(v->status & shared) != !(v->status & private) &&
	       !(v->status & shared) == !(v->flags & MAP_SHARED);
}

/* Guards come behind all that are mappings, and are in no order. */
static bool in_order(const VmaEntry *last, const VmaEntry *v)
{
	if (v->status & VMA_AREA_GUARD)
		return true;
	return !last || (last->end <= v->start && !(last->status & VMA_AREA_GUARD));
}

static int check_vmas(const struct rtask *t, struct err *e)
{
	for (size_t i = 0; i < t->mm->n_vmas; i++) {
		const VmaEntry *v = t->mm->vmas[i], *last = i ? t->mm->vmas[i - 1] : NULL;

		if (!is_possible(v) || !says_one_thing(v))
			return err_say(
				e,
				"'mm-%d.img' has an impossible mapping %lx-%lx (protection %#x, "
				"flags %#x, status %#x, advice %#lx)",
				t->pid, v->start, v->end, v->prot, v->flags, v->status, v->madv);
		if (!in_order(last, v))
			return err_say(e, "'mm-%d.img' has mappings that overlap at %lx", t->pid,
				       v->start);
		if (!kind_of(v))
			return err_code(e, ENOTSUP,
					"the mapping %lx-%lx of pid %d is of a kind that is not "
					"supported (status %#x)",
					v->start, v->end, t->pid, v->status);
	}
	return 0;
}

/* A lazy dump leaves the pages themselves with whoever serves them. */
static int check_pages(const struct rtask *t, struct err *e)
{
	for (size_t i = 0; i < t->pages->count && !t->restore->opt->pages.lazy; i++)
		if (!(t->pages->runs[i].flags & PE_PRESENT)) {
			err_code(e, ENODATA,
				 "pages at %lx of pid %d are not in the images (a lazy dump)",
				 t->pages->runs[i].vaddr, t->pid);
			return err_hint(e, "start 'stasis lazy-pages', and restore with "
					   "--lazy-pages");
		}
	return 0;
}

/* Which of them are read at once is not known yet, if not all are. */
static int load_pages(struct rtask *t, struct err *e)
{
	struct restore *r = t->restore;

	return rlazy_wanted(r->opt) ? intact_load_only(r, t->pages, IMG_PAGEMAP, t->pid, e) :
				      intact_load(r, t->pages, IMG_PAGEMAP, t->pid, e);
}

int memory_load(struct restore *r, struct err *e)
{
	for (size_t i = 0; i < r->task_count; i++) {
		struct rtask *t = r->tasks[i];

		if (!t->mm)
			continue;
		t->pages = pool_new(&r->pool, struct stored_pages);
		if (check_vmas(t, e) < 0 || load_pages(t, e) < 0 || check_pages(t, e) < 0)
			return e->code;
	}
	for (size_t i = 0; i < vma_restore_kind_count; i++)
		if (vma_restore_kinds[i]->pages_known &&
		    vma_restore_kinds[i]->pages_known(r, e) < 0)
			return e->code;
	return 0;
}

void memory_close(struct restore *r, bool failed)
{
	for (size_t i = 0; i < vma_restore_kind_count; i++)
		if (vma_restore_kinds[i]->close)
			vma_restore_kinds[i]->close(r, failed);
	for (size_t i = 0; i < r->task_count; i++)
		if (r->tasks[i]->pages)
			stored_pages_free(r->tasks[i]->pages);
	free(r->fetched);
	r->fetched = NULL;
}

#define VDSO_BITS (VMA_AREA_VDSO | VMA_AREA_VVAR)
enum { WIPE_ON_FORK = 1 << 18, NOT_ON_FORK = 1 << 10 };

static bool same_mapping(const VmaEntry *a, const VmaEntry *b)
{
	return a->start == b->start && a->end == b->end && a->status == b->status &&
	       a->shmid == b->shmid && a->pgoff == b->pgoff && a->madv == b->madv &&
	       (a->flags | MAP_LOCKED) == (b->flags | MAP_LOCKED);
}

static bool can_inherit(const VmaEntry *v)
{
	if (v->madv & (WIPE_ON_FORK | NOT_ON_FORK))
		return false;
	return v->status & VDSO_BITS || kind_of(v)->inherits;
}

static const VmaEntry *find_vma(const MmEntry *mm, uint64_t start)
{
	size_t low = 0, high = mm->n_vmas;

	/* Guards stand behind the real ones and are not looked for. */
	while (high && mm->vmas[high - 1]->status & VMA_AREA_GUARD)
		high--;
	while (low < high) {
		size_t mid = (low + high) / 2;

		if (mm->vmas[mid]->start < start)
			low = mid + 1;
		else
			high = mid;
	}
	return low < mm->n_vmas && mm->vmas[low]->start == start ? mm->vmas[low] : NULL;
}

const VmaEntry *memory_inherited(const struct rtask *t, const VmaEntry *v)
{
	const VmaEntry *p;

	if (!t->inherits || !can_inherit(v))
		return NULL;
	p = find_vma(t->parent->mm, v->start);
	return p && same_mapping(p, v) ? p : NULL;
}

static bool has_guards(const MmEntry *mm)
{
	return mm->n_vmas && mm->vmas[mm->n_vmas - 1]->status & VMA_AREA_GUARD;
}

bool memory_inherits(const struct rtask *t)
{
	const struct rtask *p = t->parent;
	bool shares = false;

	if (t->restore->stream && !rstream_in_order(t->restore))
		return false;
	/* Its memory may not be there yet. */
	if (t->restore->opt->pages.lazy)
		return false;
	if (!p || !p->mm || !t->mm || t->creator != p || t->before_setsid ||
	    p->mm->exe_file_id != t->mm->exe_file_id || has_guards(p->mm) || has_guards(t->mm))
		return false;
	for (size_t i = 0; i < t->mm->n_vmas; i++) {
		const VmaEntry *v = t->mm->vmas[i], *its = find_vma(p->mm, v->start);
		bool same = its && same_mapping(its, v);

		/* The vdso of the parent has been moved to its place; it cannot be had elsewhere any more. */
		if (v->status & VDSO_BITS && !same)
			return false;
		if (same && v->status & VMA_ANON_PRIVATE && !(v->status & VDSO_BITS))
			shares = true;
	}
	return shares;
}

/* What the heir has from its parent and does not want. */
static void drop_foreign(struct rtask *t, struct plan *p)
{
	const MmEntry *theirs = t->parent->mm;

	for (size_t i = 0; i < theirs->n_vmas; i++) {
		const VmaEntry *v = theirs->vmas[i], *ours = find_vma(t->mm, v->start);

		if (v->status & (VMA_AREA_VSYSCALL | VMA_AREA_GUARD) ||
		    (ours && memory_inherited(t, ours)))
			continue;
		plan_call(p, "unmap what the parent had", SYS_munmap, ARG(v->start),
			  ARG(v->end - v->start));
	}
}

static void advise(const VmaEntry *v, struct plan *p)
{
	for (int bit = 0; bit < 32; bit++)
		if (v->madv >> bit & 1)
			plan_call(p,
				  plan_words(p, "madvise(%lx, %d)", (unsigned long)v->start, bit),
				  SYS_madvise, ARG(v->start), ARG(v->end - v->start), ARG(bit));
}

static int map_one(struct rtask *t, const VmaEntry *v, struct plan *p, struct err *e)
{
	bool fills = memory_fills(t, v);

	if (memory_inherited(t, v)) {
		if (fills && !(v->status & VDSO_BITS))
			plan_call(p, "make it writable", SYS_mprotect, ARG(v->start),
				  ARG(v->end - v->start), ARG(v->prot | PROT_WRITE));
		mempolicy_bind(t, v, true, p);
		return 0;
	}
	if (kind_of(v)->map && kind_of(v)->map(t, v, fills, p, e) < 0)
		return err_on(e, "mapping %lx-%lx of pid %d", (unsigned long)v->start,
			      (unsigned long)v->end, t->pid);
	mempolicy_bind(t, v, false, p);
	advise(v, p);
	return 0;
}

/* mlock would bring in all pages of a mapping that has so far only kept those that were touched. */
static bool is_locked_on_fault(const struct rtask *t, const VmaEntry *v)
{
	const ExtraEntry *x = t->threads[0].extra;
	size_t low = 0, high = x ? x->n_locked_on_fault : 0;

	while (low < high) {
		size_t mid = (low + high) / 2;

		if (x->locked_on_fault[mid] == v->start)
			return true;
		if (x->locked_on_fault[mid] < v->start)
			low = mid + 1;
		else
			high = mid;
	}
	return false;
}

static int finish_one(struct rtask *t, const VmaEntry *v, struct plan *p, struct err *e)
{
	const VmaEntry *its = memory_inherited(t, v);
	const struct vma_restore_kind *kind = kind_of(v);

	if (!(v->status & VDSO_BITS) &&
	    ((memory_fills(t, v) && !(v->prot & PROT_WRITE)) || (its && its->prot != v->prot)))
		plan_call(p, "set the protection", SYS_mprotect, ARG(v->start),
			  ARG(v->end - v->start), ARG(v->prot));
	if (v->flags & MAP_LOCKED)
		plan_call(p, plan_words(p, "lock %lx", (unsigned long)v->start), SYS_mlock2,
			  ARG(v->start), ARG(v->end - v->start),
			  ARG(is_locked_on_fault(t, v) ? MLOCK_ONFAULT : 0));
	if (kind->after && kind->after(t, v, p, e) < 0)
		return err_on(e, "mapping %lx-%lx of pid %d", (unsigned long)v->start,
			      (unsigned long)v->end, t->pid);
	return 0;
}

/* What comes when all pages are in place. */
static int build_end(struct rtask *t, struct plan *p, struct err *e)
{
	for (size_t i = 0; i < t->mm->n_vmas; i++)
		if (finish_one(t, t->mm->vmas[i], p, e) < 0)
			return e->code;
	return 0;
}

static int build(struct rtask *t, struct plan *p, struct expectations *x, struct err *e)
{
	mempolicy_begin(t, p);
	if (t->inherits)
		drop_foreign(t, p);
	for (size_t i = 0; i < vma_restore_kind_count; i++)
		if (vma_restore_kinds[i]->task && vma_restore_kinds[i]->task(t, p, e) < 0)
			return err_on(e, "%s of pid %d", vma_restore_kinds[i]->name, t->pid);
	for (size_t i = 0; i < t->mm->n_vmas; i++)
		if (map_one(t, t->mm->vmas[i], p, e) < 0)
			return e->code;
	if (memory_fill(t, p, x, e) < 0 || (!x->waits && build_end(t, p, e) < 0))
		return e->code;
	memory_forget(t, p);
	return 0;
}

/* One task on its way. */
struct job {
	struct rtask *t;
	struct plan plan, end; /* end: if there were compressed pages to be waited for */
	struct expectations x;
};

static int start(struct job *j, struct plan *p, struct err *e)
{
	return run_start(j->t->restore, rtask_here(j->t), p,
			 pool_format(&j->t->restore->pool, "memory of pid %d", j->t->pid), e);
}

static int job_start(struct job *j, struct err *e)
{
	struct rtask *t = j->t;
	size_t room = t->mm->n_vmas * ENTRIES_PER_VMA + memory_fill_room(t) + SPARE;

	if (t->parent && t->inherits)
		room += t->parent->mm->n_vmas;
	t->has_memory = true;
	log_debug("pid %d: %zu mappings%s", t->pid, t->mm->n_vmas,
		  t->inherits ? ", private pages from its parent" : "");
	if (plan_begin(&j->plan, &t->restore->arena, room, e) < 0 ||
	    build(t, &j->plan, &j->x, e) < 0)
		return e->code;
	return start(j, &j->plan, e);
}

static int job_check(const struct job *j, struct err *e)
{
	for (size_t i = 0; i < j->x.count; i++) {
		int64_t got = plan_result(&j->plan, j->x.all[i].entry);

		if (got != j->x.all[i].result)
			return err_say(
				e, "only %ld of %ld bytes of memory could be read from the images",
				(long)got, (long)j->x.all[i].result);
	}
	return 0;
}

static int job_start_end(struct job *j, struct err *e)
{
	struct rtask *t = j->t;

	if (!j->x.waits)
		return 0;
	if (plan_begin(&j->end, &t->restore->arena, t->mm->n_vmas * ENTRIES_PER_VMA + SPARE, e) <
		    0 ||
	    build_end(t, &j->end, e) < 0)
		return e->code;
	memory_forget(t, &j->end);
	return start(j, &j->end, e);
}

static void job_end(struct job *j)
{
	plan_end(&j->plan);
	plan_end(&j->end);
	free(j->x.all);
}

/* Tasks that get their memory together. */
struct batch {
	struct restore *r;
	struct job *jobs;
	size_t count;
	bool alone; /* it is one, before others are born */
	struct unpack packed;
};

/* Pages that tasks do not read by themselves, all at once. */
static int place(struct batch *b, struct err *e)
{
	if (b->r->stream)
		return b->alone ? rstream_run_task(b->r, b->jobs[0].t->pages, e) :
				  rstream_run(b->r, e);
	if (!b->r->opt->dry_run)
		return unpack_run(&b->packed, e);
	printf("%lu bytes of pages are put into place from outside\n", b->packed.bytes);
	return 0;
}

/* Compressed pages, or those of a stream, and then what had to wait for them. */
static int place_all(struct batch *b, struct err *e)
{
	int res;

	if (b->packed.count == 0 && !b->r->stream)
		return 0;
	res = place(b, e);
	for (size_t i = 0; i < b->count && res == 0; i++)
		res = job_start_end(&b->jobs[i], e);
	return res == 0 ? run_wait(b->r, e) : res;
}

static int run_batch(struct batch *b, struct err *e)
{
	struct restore *r = b->r;
	size_t used = r->arena.used;
	int res = 0;

	for (size_t i = 0; i < b->count && res == 0; i++) {
		b->jobs[i].x.packed = &b->packed;
		res = job_start(&b->jobs[i], e);
	}
	if (res == 0)
		res = run_wait(r, e);
	for (size_t i = 0; i < b->count && res == 0 && !r->opt->dry_run; i++)
		res = job_check(&b->jobs[i], e);
	if (res == 0)
		res = place_all(b, e);
	for (size_t i = 0; i < b->count; i++)
		job_end(&b->jobs[i]);
	unpack_drop(&b->packed);
	r->arena.used = used;
	return res;
}

int memory_restore(struct rtask *t, struct err *e)
{
	struct job j = { .t = t };
	struct batch b = { .r = t->restore, .jobs = &j, .count = 1, .alone = true };

	return run_batch(&b, e);
}

int memory_restore_all(struct restore *r, struct err *e)
{
	own_mem struct job *jobs = calloc(r->task_count, sizeof(*jobs));
	struct batch b = { .r = r, .jobs = jobs };

	if (!jobs)
		return err_sys(e, "memory for %zu tasks", r->task_count);
	for (size_t i = 0; i < r->task_count; i++)
		if (r->tasks[i]->mm && !r->tasks[i]->has_memory)
			jobs[b.count++].t = r->tasks[i];
	return run_batch(&b, e);
}
