/*
 * SysV segments: attached by the tasks themselves, so that the kernel counts them and shmdt finds them.
 *
 * shmat always attaches the whole segment. Where a process has unmapped or moved parts of it, it is attached in
 * some free place first, and what the process still had is moved from there.
 */
#include "restore/mm/sysv.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/shm.h>
#include <sys/syscall.h>

#include "images/image.h"
#include "images/vma.h"
#include "lib/io.h"
#include "restore/memory.h"
#include "restore/ns.h"

/* Lowest address that anybody may map, and what the kernel leaves free below a stack. */
#define LOWEST 0x10000UL
#define MARGIN (2UL << 20)

static bool sysv_match(const VmaEntry *v)
{
	return v->status & VMA_AREA_SYSVIPC;
}

static struct rsegment *find_segment(const struct restore *r, uint64_t id)
{
	for (size_t i = 0; r->sysv && i < r->sysv->count; i++)
		if (r->sysv->segments[i].entry->desc->id == id)
			return &r->sysv->segments[i];
	return NULL;
}

static int load(struct restore *r, uint32_t ns, struct err *e)
{
	own_image img = {};
	int got = image_open(&img, r->images, IMG_IPC_SHM, ns, e);

	if (got < 0)
		return got;
	for (;;) {
		IpcShmEntry *m = NULL;

		got = image_read(&img, &ipc_shm_entry__descriptor, &m, e);
		if (got <= 0)
			return got;
		if (!m->in_pagemaps) {
			image_message_free(&m);
			return err_code(e, ENOTSUP,
					"'%s' holds contents in an old way that is not supported",
					img.name);
		}
		if (io_grow(&r->sysv->segments, r->sysv->count, sizeof(struct rsegment), e) < 0) {
			image_message_free(&m);
			return e->code;
		}
		r->sysv->segments[r->sysv->count++] = (struct rsegment){ .entry = m };
	}
}

/* The first task that has one attached, NULL: none has. */
static const struct rtask *find_user(const struct restore *r)
{
	for (size_t i = 0; i < r->task_count; i++) {
		const MmEntry *mm = r->tasks[i]->mm;

		for (size_t k = 0; mm && k < mm->n_vmas; k++)
			if (sysv_match(mm->vmas[k]))
				return r->tasks[i];
	}
	return NULL;
}

/* Inside of the IPC namespace of the tree. */
static int make_all(void *restore, struct err *e)
{
	struct restore *r = restore;

	for (size_t i = 0; i < r->sysv->count; i++)
		if (rsegment_make(r, &r->sysv->segments[i], e) < 0)
			return err_on(e, "segment %u", r->sysv->segments[i].entry->desc->id);
	return 0;
}

static int sysv_prepare(struct restore *r, struct err *e)
{
	const struct rtask *user = find_user(r);
	struct err none = { 0 };
	int res;

	if (!user && !rns_is_own(r, NS_IPC))
		return 0;
	r->sysv = pool_new(&r->pool, struct rsysv);
	res = load(r, user ? user->ids->ipc_ns_id : r->ns->id[NS_IPC], &none);
	if (res == -ENOENT && !user)
		return 0; /* a namespace without segments */
	if (res < 0) {
		*e = none;
		return res;
	}
	return rns_run(r, NS_IPC, make_all, r, e);
}

static uint64_t base_of(const VmaEntry *v)
{
	return v->start - v->pgoff;
}

static bool read_only(const VmaEntry *v)
{
	return v->has_fdflags ? (v->fdflags & O_ACCMODE) == O_RDONLY : !(v->prot & PROT_WRITE);
}

/* One shmat: the mappings that came of it, from this one on. They lie within the size of the segment. */
struct attachment {
	const struct rsegment *segment;
	VmaEntry *const *vmas; /* candidates, ascending */
	size_t count;
	uint64_t base, bytes;
	const VmaEntry *first;
};

static bool belongs(const struct attachment *a, const VmaEntry *v)
{
	return sysv_match(v) && v->shmid == a->first->shmid && base_of(v) == a->base &&
	       read_only(v) == read_only(a->first);
}

static size_t index_of(const MmEntry *mm, const VmaEntry *v)
{
	size_t low = 0, high = mm->n_vmas;

	while (low < high) {
		size_t middle = low + (high - low) / 2;
		const VmaEntry *m = mm->vmas[middle];

		if (m->status & VMA_AREA_GUARD || m->start >= v->start)
			high = middle;
		else
			low = middle + 1;
	}
	return low;
}

static bool is_first(const struct attachment *a, const MmEntry *mm, size_t index)
{
	while (index-- > 0 && mm->vmas[index]->end > a->base)
		if (belongs(a, mm->vmas[index]))
			return false;
	return true;
}

/* Mappings without a gap from the first byte to the last. */
static bool is_whole(const struct attachment *a)
{
	uint64_t end = a->base;

	for (size_t i = 0; i < a->count && belongs(a, a->vmas[i]) && a->vmas[i]->start == end; i++)
		end = a->vmas[i]->end;
	return end == a->base + a->bytes;
}

static uint64_t end_of_obstacle(const struct rtask *t, uint64_t at, uint64_t size)
{
	const struct restore *r = t->restore;
	uint64_t arena = r->arena.there.at, end = r->park_at + r->park_size;

	for (size_t i = 0; i < t->mm->n_vmas; i++)
		if (t->mm->vmas[i]->start < at + size && t->mm->vmas[i]->end > at)
			return t->mm->vmas[i]->end;
	return arena < at + size && end > at ? end : 0;
}

/* A place that nothing has or will have: below everything or between. shmat fails if that should not be so. */
static uint64_t find_gap(const struct rtask *t, uint64_t size)
{
	uint64_t at = LOWEST, end;

	while ((end = end_of_obstacle(t, at, size + 2 * MARGIN)))
		at = (end + MARGIN - 1) & ~(MARGIN - 1);
	return at + MARGIN;
}

static uint32_t attach_prot(const struct attachment *a)
{
	uint32_t prot = PROT_READ | (read_only(a->first) ? 0 : PROT_WRITE);

	for (size_t i = 0; i < a->count && a->vmas[i]->start < a->base + a->bytes; i++)
		if (belongs(a, a->vmas[i]))
			prot |= a->vmas[i]->prot & PROT_EXEC;
	return prot;
}

/* Puts the parts at their places, from where the whole is attached. */
static void move_parts(const struct attachment *a, uint64_t whole_at, struct plan *p)
{
	for (size_t i = 0; i < a->count && a->vmas[i]->start < a->base + a->bytes; i++) {
		const VmaEntry *v = a->vmas[i];

		if (belongs(a, v))
			plan_call(p,
				  plan_words(p, "move a part of segment %lu to %lx", v->shmid,
					     v->start),
				  SYS_mremap, ARG(whole_at + v->pgoff), ARG(v->end - v->start),
				  ARG(v->end - v->start), ARG(MREMAP_MAYMOVE | MREMAP_FIXED),
				  ARG(v->start));
	}
	plan_call(p, "unmap the rest of a segment", SYS_munmap, ARG(whole_at), ARG(a->bytes));
}

static void attach(const struct rtask *t, const struct attachment *a, struct plan *p)
{
	uint32_t prot = attach_prot(a);
	int flags = (prot & PROT_WRITE ? 0 : SHM_RDONLY) | (prot & PROT_EXEC ? SHM_EXEC : 0);
	bool whole = is_whole(a);
	uint64_t at = whole ? a->base : find_gap(t, a->bytes);

	plan_call(p, plan_words(p, "attach segment %lu at %lx", a->first->shmid, at), SYS_shmat,
		  ARG(a->first->shmid), ARG(at), ARG(flags));
	if (!whole)
		move_parts(a, at, p);
	for (size_t i = 0; i < a->count && a->vmas[i]->start < a->base + a->bytes; i++) {
		const VmaEntry *v = a->vmas[i];

		if (belongs(a, v) && v->prot != prot)
			plan_call(p, "protect a segment", SYS_mprotect, ARG(v->start),
				  ARG(v->end - v->start), ARG(v->prot));
	}
}

static int sysv_map(struct rtask *t, const VmaEntry *v, bool, struct plan *p, struct err *e)
{
	size_t index = index_of(t->mm, v);
	struct attachment a = {
		.segment = find_segment(t->restore, v->shmid),
		.vmas = t->mm->vmas + index,
		.count = t->mm->n_vmas - index,
		.base = base_of(v),
		.first = v,
	};

	if (!a.segment)
		return err_say(e, "SysV segment %lu is not in the images", v->shmid);
	a.bytes = rsegment_bytes(a.segment);
	if (v->pgoff + (v->end - v->start) > a.bytes)
		return err_say(e, "SysV segment %lu has %lu bytes, too few for it", v->shmid,
			       a.bytes);
	if (is_first(&a, t->mm, index))
		attach(t, &a, p);
	return 0;
}

struct closing {
	struct rsysv *all;
	bool failed;
};

static int close_all(void *arg, struct err *)
{
	const struct closing *c = arg;

	for (size_t i = 0; i < c->all->count; i++) {
		rsegment_close(&c->all->segments[i], c->failed);
		image_message_free(&c->all->segments[i].entry);
	}
	free(c->all->segments);
	return 0;
}

static void sysv_close(struct restore *r, bool failed)
{
	struct closing c = { r->sysv, failed };
	struct err ignored = { 0 };

	if (r->sysv)
		(void)!rns_run(r, NS_IPC, close_all, &c, &ignored);
	r->sysv = NULL;
}

const struct vma_restore_kind sysv_restore_kind = {
	.name = "mm/sysv",
	.match = sysv_match,
	.prepare = sysv_prepare,
	.map = sysv_map,
	.close = sysv_close,
};
