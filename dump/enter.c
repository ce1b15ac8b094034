/* Where the runner finds room in a stopped task; see enter.h. */
#include "dump/enter.h"

#include <errno.h>
#include <string.h>

#include "dump/guard.h"
#include "lib/io.h"
#include "lib/maps.h"

/* The vdso's header if there is one (see inject.h), else the start of some other code. */
static int find_site(const struct task *t, uint64_t *ret, struct err *e)
{
	for (size_t i = 0; i < t->vma_count; i++)
		if (strcmp(t->vmas[i].name, "[vdso]") == 0) {
			*ret = t->vmas[i].start + 8;
			return 0;
		}
	for (size_t i = 0; i < t->vma_count; i++)
		if (t->vmas[i].flags & VMA_EX && strcmp(t->vmas[i].name, "[vsyscall]") != 0) {
			*ret = t->vmas[i].start;
			return 0;
		}
	return err_code(e, ENOTSUP, "pid %d has no executable memory", t->pid);
}

/* The middle of the largest gap below the stack: far from what may want to grow. */
static int find_gap(const struct task *t, size_t size, uint64_t *ret, struct err *e)
{
	uint64_t from = 0x100000, best = 0;

	for (size_t i = 0; i < t->vma_count && t->vmas[i].start < 0x7fff00000000; i++) {
		const struct vma *v = &t->vmas[i];

		if (v->start > from && v->start - from > best) {
			best = v->start - from;
			*ret = (from + best / 2) & ~(PAGE_SIZE - 1);
		}
		if (v->end > from)
			from = v->end;
	}
	if (best < 2 * size)
		return err_code(e, ENOMEM, "pid %d has no gap of %zu bytes in its address space",
				t->pid, 2 * size);
	return 0;
}

int enter_prepare(struct task *t, size_t threads, size_t size, struct err *e)
{
	struct injection *i;
	uint64_t site = 0, where = 0;

	if (guard_check(t->dump->guard, e) < 0 || find_site(t, &site, e) < 0 ||
	    find_gap(t, size, &where, e) < 0 ||
	    guard_injection(t->dump->guard, t->pid, threads, &i, e) < 0)
		return e->code;
	for (size_t k = 0; k < threads; k++)
		i->threads[k] = (struct inject_thread){ .tid = t->threads[k].tid,
							.regs = t->threads[k].regs,
							.mask = t->threads[k].sigmask };
	i->site = site;
	i->arena_at = where;
	i->arena_size = size;
	t->injection = i;
	return 0;
}
