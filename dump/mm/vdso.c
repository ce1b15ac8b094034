/*
 * What the kernel maps into every process for its own purposes: the code of the vDSO, the data that it reads
 * (vvar, since Linux 6.13 two mappings, of which images have one), and the page of vsyscall.
 *
 * A process that was restored under another kernel has two: the code it was started with, in memory that looks
 * anonymous, and the running kernel's, parked elsewhere with a marker in it (lib/vdso.h). The first is saved
 * as if it were the kernel's. The parked one is saved as memory of the process, since a thread, or the frame of a signal,
 * may stand in it; zeros take the place of its data, which mean "no clock here" to its code.
 */
#include "dump/memory.h"

#include <errno.h>
#include <string.h>
#include <sys/uio.h>

#include "images/vma.h"
#include "lib/vdso.h"

enum { VDSO_STATUS = VMA_AREA_REGULAR | VMA_ANON_PRIVATE | VMA_AREA_VDSO };
enum { VVAR_STATUS = VMA_AREA_REGULAR | VMA_ANON_PRIVATE | VMA_AREA_VVAR };
enum { PARKED_STATUS = VMA_AREA_REGULAR | VMA_ANON_PRIVATE };
#define VDSO_MAX (1UL << 20)

static bool is_vvar(const struct vma *v)
{
	return strcmp(v->name, "[vvar]") == 0 || strcmp(v->name, "[vvar_vclock]") == 0;
}

static int read_marker(const struct task *t, const struct vma *v, struct vdso_marker *ret,
		       bool *ret_found, struct err *e)
{
	size_t size = v->end - v->start;
	own_mem char *image = size <= VDSO_MAX ? malloc(size) : NULL;
	struct iovec to = { image, size }, from = { (void *)v->start, size };

	if (!image)
		return err_code(e, ENOMEM, "memory for a vDSO of %zu bytes", size);
	if (process_vm_readv(t->pid, &to, 1, &from, 1, 0) != (ssize_t)size)
		return err_sys(e, "read the vDSO");
	*ret_found = vdso_find_marker(image, size, ret);
	return 0;
}

static struct vma *find_vma(struct task *t, uint64_t start)
{
	for (size_t i = 0; i < t->vma_count; i++)
		if (t->vmas[i].start == start)
			return &t->vmas[i];
	return NULL;
}

static bool continues_vvar(const struct task *t, const struct vma *v)
{
	return v > t->vmas && strcmp(v->name, "[vvar_vclock]") == 0 &&
	       strcmp(v[-1].name, "[vvar]") == 0 && v[-1].end == v->start;
}

/* v is the parked one: it and its data are memory like any other, and the pair of the process takes their part. */
static int swap_pairs(struct task *t, struct vma *v, const struct vdso_marker *m, struct err *e)
{
	struct vma *vdso = find_vma(t, m->vdso_at), *vvar = find_vma(t, m->vvar_at);

	if (!vdso || !vvar)
		return err_code(e, ENOTSUP,
				"the process was restored with the vDSO of another kernel at %lx, "
				"and has changed its mapping since",
				m->vdso_at);
	for (size_t i = 0; i < t->vma_count; i++)
		if (is_vvar(&t->vmas[i]) && !continues_vvar(t, &t->vmas[i]))
			t->vmas[i].status = PARKED_STATUS;
	v->status = PARKED_STATUS;
	vdso->status = VDSO_STATUS;
	vvar->status = VVAR_STATUS;
	return 0;
}

static bool vdso_match(const struct task *, const struct vma *v)
{
	return v->status & VMA_AREA_VDSO || strcmp(v->name, "[vdso]") == 0;
}

static int vdso_classify(struct task *t, struct vma *v, struct err *e)
{
	struct vdso_marker m;
	bool found = false;

	if (v->status)
		return 0;
	if (read_marker(t, v, &m, &found, e) < 0)
		return e->code;
	if (found)
		return swap_pairs(t, v, &m, e);
	v->status = VDSO_STATUS;
	return 0;
}

static bool vvar_match(const struct task *, const struct vma *v)
{
	return v->status & VMA_AREA_VVAR || is_vvar(v);
}

static int vvar_classify(struct task *t, struct vma *v, struct err *)
{
	if (!v->status && !continues_vvar(t, v))
		v->status = VVAR_STATUS;
	return 0;
}

static int vvar_entry(struct task *t, const struct vma *v, VmaEntry *entry, struct err *)
{
	if (v + 1 < t->vmas + t->vma_count && continues_vvar(t, v + 1))
		entry->end = v[1].end;
	return 0;
}

static bool vsyscall_match(const struct task *, const struct vma *v)
{
	return strcmp(v->name, "[vsyscall]") == 0;
}

static int vsyscall_classify(struct task *, struct vma *v, struct err *)
{
	v->status = VMA_ANON_PRIVATE | VMA_AREA_VSYSCALL;
	return 0;
}

const struct vma_kind vdso_vma_kind = {
	.name = "mm/vdso",
	.pages = VMA_PAGES_ALL,
	.match = vdso_match,
	.classify = vdso_classify,
};

const struct vma_kind vvar_vma_kind = {
	.name = "mm/vvar",
	.pages = VMA_PAGES_NONE,
	.match = vvar_match,
	.classify = vvar_classify,
	.entry = vvar_entry,
};

const struct vma_kind vsyscall_vma_kind = {
	.name = "mm/vsyscall",
	.pages = VMA_PAGES_NONE,
	.match = vsyscall_match,
	.classify = vsyscall_classify,
};
