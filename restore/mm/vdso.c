/*
 * The vDSO and its data. If the image's code is the running kernel's, the pair that each new task has parked is moved
 * to where the process had it. Otherwise the process keeps its code, since its threads may be in the middle of it:
 * every function that needs data of the kernel then begins with a jump into the parked one, which stays
 * where it is, and which a marker (lib/vdso.h) tells to a later dump.
 *
 * A thread that stands among the first instructions of such a function would run into the middle of the jump. It goes on
 * in a copy of the pair that has none.
 *
 * A later dump saves the parked pair like other memory of the process, since threads may be in the middle of that as
 * well. Where the kernel is the same, the new pair goes to the place of the saved one, which is not made then.
 *
 * The data of the old kernel cannot be kept. Zeros in its place mean "no clock here" to what is left of the old
 * code, which then asks by system call.
 */
#include "restore/memory.h"

#include <errno.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/uio.h>

#include "images/vma.h"
#include "lib/io.h"
#include "lib/maps.h"
#include "lib/proc.h"
#include "lib/vdso.h"
#include "restore/mm/vdso_x86_64.h"

#define VDSO_MAX (1UL << 20)

static bool vdso_match(const VmaEntry *v)
{
	return v->status & VMA_AREA_VDSO;
}

static bool vvar_match(const VmaEntry *v)
{
	return v->status & VMA_AREA_VVAR;
}

/* The pair that the process believes to be the kernel's. */
static const VmaEntry *find_kind(const struct rtask *t, bool (*match)(const VmaEntry *v))
{
	for (size_t i = 0; i < t->mm->n_vmas; i++) {
		const VmaEntry *v = t->mm->vmas[i];

		if (match(v) && v != t->parked_vdso && v != t->parked_vvar)
			return v;
	}
	return NULL;
}

/* The running kernel's code: ours, since it is everybody's. */
static const void *runtime_image(void)
{
	return (const void *)getauxval(AT_SYSINFO_EHDR);
}

/* Where the running kernel's code is going to be, if it does not take the place of the process's own. */
static uint64_t runtime_at(const struct rtask *t)
{
	return t->parked_vdso ? t->parked_vdso->start : t->restore->vdso_at;
}

/* The code as it is in the images; in the pool. */
static int read_image(const struct rtask *t, const VmaEntry *vdso, char **ret, struct err *e)
{
	uint64_t size = vdso->end - vdso->start, at = vdso->start;
	char *image;

	if (size > VDSO_MAX)
		return err_say(e, "its vDSO has an impossible size (%lu bytes)", size);
	image = pool_alloc(&t->restore->pool, size);
	while (at < vdso->end) {
		const struct stored_run *run = stored_pages_find(t->pages, at);
		uint64_t end = run ? run->vaddr + run->nr_pages * PAGE_SIZE : 0;

		if (!run || run->vaddr > at || !(run->flags & PE_PRESENT))
			return err_say(e, "the code of its vDSO is not in the images");
		end = end < vdso->end ? end : vdso->end;
		if (stored_run_read(run, image + (at - vdso->start), end - at,
				    run->offset + (at - run->vaddr), e) < 0)
			return err_on(e, "the vDSO");
		at = end;
	}
	*ret = image;
	return 0;
}

/* Of the pair that the running kernel gives to everybody. */
struct sizes {
	uint64_t vdso, vvar; /* bytes */
	uint64_t distance;   /* of their starts, vvar below */
};

static int measure(struct restore *r, struct sizes *ret, struct err *e)
{
	own_fd proc = -1;
	uint64_t vvar = 0;
	struct maps maps;

	if (proc_open(getpid(), &proc, e) < 0 || maps_read_brief(proc, &r->pool, &maps, e) < 0)
		return e->code;
	for (size_t i = 0; i < maps.count; i++) {
		const struct vma *v = &maps.vmas[i];

		if (strncmp(v->name, "[vvar", 5) == 0) {
			vvar = vvar ? vvar : v->start;
			ret->vvar += v->end - v->start;
		} else if (strcmp(v->name, "[vdso]") == 0) {
			ret->vdso = v->end - v->start;
			ret->distance = v->start - vvar;
		}
	}
	return 0;
}

/* Whether all pages are in the images. */
static bool is_stored(const struct rtask *t, const VmaEntry *v)
{
	uint64_t at = v->start;

	while (at < v->end) {
		const struct stored_run *run = stored_pages_find(t->pages, at);

		if (!run || run->vaddr > at)
			return false;
		at = run->vaddr + run->nr_pages * PAGE_SIZE;
	}
	return true;
}

/* Whether v, of the right size, has the running kernel's code and a marker that says which pair it serves. */
static int is_parked(const struct rtask *t, const VmaEntry *v, bool *ret, struct err *e)
{
	const VmaEntry *vdso = find_kind(t, vdso_match), *vvar = find_kind(t, vvar_match);
	size_t code = v->end - v->start - sizeof(struct vdso_marker);
	struct vdso_marker m;
	char *image;

	*ret = false;
	if (!vdso || !vvar || !is_stored(t, v))
		return 0;
	if (read_image(t, v, &image, e) < 0)
		return e->code;
	memcpy(&m, image + code, sizeof(m));
	*ret = m.magic == VDSO_MARKER_MAGIC && m.vdso_at == vdso->start &&
	       m.vvar_at == vvar->start && memcmp(image, runtime_image(), code) == 0;
	return 0;
}

static VmaEntry *find_at(const struct rtask *t, uint64_t start, uint64_t end)
{
	for (size_t i = 0; i < t->mm->n_vmas; i++)
		if (t->mm->vmas[i]->start == start && t->mm->vmas[i]->end == end)
			return t->mm->vmas[i];
	return NULL;
}

static bool may_be_parked(const VmaEntry *v, uint64_t size, uint32_t prot)
{
	return v && v->status == (VMA_AREA_REGULAR | VMA_ANON_PRIVATE) &&
	       v->end - v->start == size && v->prot == prot;
}

/* What an earlier restore has parked is made by this kernel as well, at the same place. */
static int find_parked(struct rtask *t, const struct sizes *s, struct err *e)
{
	for (size_t i = 0; i < t->mm->n_vmas && !t->parked_vdso; i++) {
		VmaEntry *v = t->mm->vmas[i], *vvar = NULL;
		bool found = false;

		if (may_be_parked(v, s->vdso, PROT_READ | PROT_EXEC))
			vvar = find_at(t, v->start - s->distance, v->start - s->distance + s->vvar);
		if (!may_be_parked(vvar, s->vvar, PROT_READ))
			continue;
		if (is_parked(t, v, &found, e) < 0)
			return err_on(e, "mapping %lx-%lx of pid %d", (unsigned long)v->start,
				      (unsigned long)v->end, t->pid);
		if (!found)
			continue;
		v->status |= VMA_AREA_VDSO;
		vvar->status |= VMA_AREA_VVAR;
		t->parked_vdso = v;
		t->parked_vvar = vvar;
	}
	return 0;
}

static int vdso_pages_known(struct restore *r, struct err *e)
{
	struct sizes s = { 0 };

	if (!runtime_image())
		return 0;
	if (measure(r, &s, e) < 0)
		return e->code;
	for (size_t i = 0; i < r->task_count; i++)
		if (r->tasks[i]->mm && find_parked(r->tasks[i], &s, e) < 0)
			return e->code;
	return 0;
}

/* Whether the parked pair may take the place of the image's, and the image's code if not. */
static int is_runtime(const struct rtask *t, bool *ret, char **ret_image, struct err *e)
{
	const struct restore *r = t->restore;
	const VmaEntry *vdso = find_kind(t, vdso_match), *vvar = find_kind(t, vvar_match);
	char *image = NULL;

	if (!vdso || !vvar)
		return err_code(e, ENOTSUP, "it has only one of vDSO and vvar");
	if (read_image(t, vdso, &image, e) < 0)
		return e->code;
	*ret_image = image;
	/* A dry run has nothing parked anywhere. */
	*ret = r->opt->dry_run || (vdso->end - vdso->start == r->vdso_size &&
				   vvar->end - vvar->start == r->vvar_size &&
				   vdso->start - vvar->start == r->vdso_at - r->vvar_at &&
				   memcmp(image, runtime_image(), r->vdso_size) == 0);
	return 0;
}

static void move(uint64_t from, uint64_t size, uint64_t to, struct plan *p)
{
	plan_call(p, plan_words(p, "move the vdso to %lx", to), SYS_mremap, ARG(from), ARG(size),
		  ARG(size), ARG(MREMAP_MAYMOVE | MREMAP_FIXED), ARG(to));
}

/* Copies bytes of the plan to their place: the task reads its own memory. */
static void put(const struct rtask *t, uint64_t to, const void *from, size_t size, struct plan *p)
{
	struct iovec *vec = plan_data(p, 2 * sizeof(*vec));

	vec[0] = (struct iovec){ (void *)to, size };
	vec[1] = (struct iovec){ (void *)arena_there(p->arena, plan_copy(p, from, size)).at, size };
	plan_call(p, plan_words(p, "write %zu bytes of the vdso at %lx", size, to),
		  SYS_process_vm_readv, ARG(t->pid), DATA(p, &vec[0]), ARG(1), DATA(p, &vec[1]),
		  ARG(1));
}

/* From a function of the old code, an offset, to that of the running kernel, an address. */
struct jump {
	uint64_t from, to;
};

/* False: the function stays as it is. */
static bool leads_away(const struct rtask *t, const char *name, const char *image, size_t size,
		       struct jump *ret)
{
	if (!vdso_find(image, size, name, &ret->from) || ret->from + VDSO_JUMP_SIZE > size ||
	    !vdso_find(runtime_image(), t->restore->vdso_size, name, &ret->to))
		return false;
	ret->to += runtime_at(t);
	return true;
}

static void put_jumps(const struct rtask *t, char *image, size_t size)
{
	struct jump j;

	for (size_t i = 0; i < ARRAY_SIZE(vdso_functions); i++)
		if (leads_away(t, vdso_functions[i], image, size, &j))
			vdso_put_jump((unsigned char *)image + j.from, j.to);
}

/* Whether at, an offset in the old code, is where a jump is going to be, behind its first byte; and where that begins. */
static bool within_jump(const struct rtask *t, const char *image, size_t size, uint64_t at,
			uint64_t *ret)
{
	struct jump j;

	for (size_t i = 0; i < ARRAY_SIZE(vdso_functions); i++)
		if (leads_away(t, vdso_functions[i], image, size, &j) && at > j.from &&
		    at < j.from + VDSO_JUMP_SIZE) {
			*ret = j.from;
			return true;
		}
	return false;
}

/* Maps a code that needs no permission to be written any more. */
static void put_code(const struct rtask *t, uint64_t at, const char *image, uint64_t size,
		     struct plan *p)
{
	plan_call(p, "map the code of the old vdso", SYS_mmap, ARG(at), ARG(size),
		  ARG(PROT_READ | PROT_WRITE), ARG(MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED),
		  ARG(-1));
	put(t, at, image, size, p);
	plan_call(p, "protect the code of the old vdso", SYS_mprotect, ARG(at), ARG(size),
		  ARG(PROT_READ | PROT_EXEC));
}

static void put_zeros(uint64_t at, uint64_t size, struct plan *p)
{
	plan_call(p, "map zeros for the data of the vdso", SYS_mmap, ARG(at), ARG(size),
		  ARG(PROT_READ), ARG(MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED), ARG(-1));
}

/* No piece of a mapping of this sort can be moved. */
static void move_vvar(const struct restore *r, uint64_t to, struct plan *p)
{
	uint64_t rest = r->vvar_size - r->vvar_first;

	move(r->vvar_at, r->vvar_first, to, p);
	if (rest)
		move(r->vvar_at + r->vvar_first, rest, to + r->vvar_first, p);
}

static int vvar_map(struct rtask *t, const VmaEntry *v, bool, struct plan *p, struct err *e)
{
	bool same = true;
	char *image;

	if (v != t->parked_vvar && is_runtime(t, &same, &image, e) < 0)
		return e->code;
	if (same)
		move_vvar(t->restore, v->start, p);
	else
		put_zeros(v->start, v->end - v->start, p);
	return 0;
}

/* Says, in the running kernel's code, which pair the process believes to be the kernel's. */
static void put_marker(const struct rtask *t, struct plan *p)
{
	const struct restore *r = t->restore;
	uint64_t at = runtime_at(t), marker_at = at + r->vdso_size;
	struct vdso_marker marker = { VDSO_MARKER_MAGIC, find_kind(t, vdso_match)->start,
				      VDSO_MARKER_VERSION, find_kind(t, vvar_match)->start,
				      at - (r->vdso_at - r->vvar_at) };

	plan_call(p, "make the vdso writable", SYS_mprotect, ARG(at), ARG(r->vdso_size),
		  ARG(PROT_READ | PROT_WRITE));
	put(t, marker_at - sizeof(marker), &marker, sizeof(marker), p);
	plan_call(p, "protect the vdso", SYS_mprotect, ARG(at), ARG(r->vdso_size),
		  ARG(PROT_READ | PROT_EXEC));
}

static void keep_old(const struct rtask *t, const VmaEntry *v, char *image, struct plan *p)
{
	uint64_t size = v->end - v->start;

	put_jumps(t, image, size);
	put_code(t, v->start, image, size, p);
	if (!t->parked_vdso)
		put_marker(t, p);
}

/* Lays the copy beside what is parked; ret: how far it is from the original. */
static int put_copy(const struct rtask *t, const char *image, struct plan *p, uint64_t *ret,
		    struct err *e)
{
	const struct restore *r = t->restore;
	const VmaEntry *vdso = find_kind(t, vdso_match), *vvar = find_kind(t, vvar_match);
	uint64_t first = vdso->start < vvar->start ? vdso->start : vvar->start;
	uint64_t end = vdso->end > vvar->end ? vdso->end : vvar->end;
	uint64_t to = r->park_at + r->park_size / 2;

	if (end - first > r->park_size / 2)
		return err_say(e, "its vDSO and vvar lie %lu bytes apart", end - first);
	put_zeros(to + (vvar->start - first), vvar->end - vvar->start, p);
	put_code(t, to + (vdso->start - first), image, vdso->end - vdso->start, p);
	*ret = to - first;
	return 0;
}

/* Leads threads that stand where a jump is going to be into the copy. An heir's vdso is its parent's; its threads are not. */
static int lead_around(struct rtask *t, const VmaEntry *v, struct plan *p, struct err *e)
{
	uint64_t distance = 0, size = v->end - v->start, from;
	char *image = NULL;
	bool same;

	for (size_t i = 0; i < t->thread_count; i++) {
		UserX86RegsEntry *regs = t->threads[i].core->thread_info->gpregs;

		if (regs->ip < v->start || regs->ip >= v->end)
			continue;
		if (!image && is_runtime(t, &same, &image, e) < 0)
			return e->code;
		if (same)
			return 0;
		if (!within_jump(t, image, size, regs->ip - v->start, &from))
			continue;
		/* In the middle of a jump to where the kernel's code was before, which is made anew from its beginning. */
		if (vdso_is_jump(image + from)) {
			regs->ip = v->start + from;
			continue;
		}
		if (!distance && put_copy(t, image, p, &distance, e) < 0)
			return e->code;
		regs->ip += distance;
	}
	return 0;
}

static int vdso_map(struct rtask *t, const VmaEntry *v, bool, struct plan *p, struct err *e)
{
	const struct restore *r = t->restore;
	char *image;
	bool same;

	if (v == t->parked_vdso) {
		move(r->vdso_at, r->vdso_size, v->start, p);
		put_marker(t, p);
		return 0;
	}
	if (is_runtime(t, &same, &image, e) < 0)
		return e->code;
	if (same)
		move(r->vdso_at, r->vdso_size, v->start, p);
	else
		keep_old(t, v, image, p);
	return 0;
}

/* A process that has unmapped its vDSO gets none. */
static int vdso_task(struct rtask *t, struct plan *p, struct err *e)
{
	const VmaEntry *vdso = find_kind(t, vdso_match);

	if (vdso)
		return lead_around(t, vdso, p, e);
	if (!find_kind(t, vvar_match))
		plan_call(p, "unmap the vdso", SYS_munmap, ARG(t->restore->park_at),
			  ARG(t->restore->park_size));
	return 0;
}

const struct vma_restore_kind vdso_restore_kind = {
	.name = "mm/vdso",
	.match = vdso_match,
	.pages_known = vdso_pages_known,
	.map = vdso_map,
	.task = vdso_task,
};

const struct vma_restore_kind vvar_restore_kind = {
	.name = "mm/vvar",
	.match = vvar_match,
	.map = vvar_map,
};
