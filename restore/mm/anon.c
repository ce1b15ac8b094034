/*
 * Private anonymous memory, of normal and of huge pages. Locking, advice and the final protection are set by
 * restore/memory.c when the contents are there.
 */
#include "restore/memory.h"

#include <errno.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#include "images/vma.h"
#include "restore/mm/map.h"

enum {
	/* mmap's flags that an entry may ask for; page sizes are in the topmost bits. */
	KNOWN_FLAGS = MAP_SHARED | MAP_PRIVATE | MAP_DROPPABLE_ | MAP_ANONYMOUS | MAP_GROWSDOWN |
		      MAP_NORESERVE | MAP_HUGETLB,
	HUGE_SHIFT = 26,
	HUGE_MASK = 0x3f,
};

static uint32_t huge_bits(const VmaEntry *v)
{
	uint32_t bits = v->flags & (uint32_t)HUGE_MASK << HUGE_SHIFT;

	if (!(v->flags & MAP_HUGETLB))
		return 0;
	return bits ? bits : 21U << HUGE_SHIFT; /* what x86-64 has by default */
}

void map_entry(const VmaEntry *v, bool fill, struct plan_arg fd, const char *what, struct plan *p)
{
	uint32_t flags = (v->flags & KNOWN_FLAGS) | huge_bits(v) | MAP_FIXED;

	plan_call(p, plan_words(p, "map %lx-%lx, %s", v->start, v->end, what), SYS_mmap,
		  ARG(v->start), ARG(v->end - v->start), ARG(v->prot | (fill ? PROT_WRITE : 0)),
		  ARG(flags), fd, ARG(v->pgoff));
}

static bool anon_match(const VmaEntry *v)
{
	return v->status & VMA_ANON_PRIVATE && v->status & VMA_AREA_REGULAR &&
	       !(v->status & VMA_AREA_SHSTK);
}

static int anon_map(struct rtask *, const VmaEntry *v, bool fill, struct plan *p, struct err *)
{
	map_entry(v, fill, ARG(-1), "anonymous memory", p);
	return 0;
}

const struct vma_restore_kind anon_restore_kind = {
	.name = "mm/anon",
	.match = anon_match,
	.map = anon_map,
	.inherits = true,
};

static bool hugetlb_match(const VmaEntry *v)
{
	return anon_match(v) && v->flags & MAP_HUGETLB;
}

static long pool_number(unsigned long kb, const char *name)
{
	char path[128];
	long value = 0;

	snprintf(path, sizeof(path), "/sys/kernel/mm/hugepages/hugepages-%lukB/%s", kb, name);
	own_file f = fopen(path, "re");
	if (!f || fscanf(f, "%ld", &value) != 1)
		return 0;
	return value;
}

/* What mmap can still reserve: free pages that are not promised, and those that the pool may grow by. */
static long available(unsigned long kb)
{
	return pool_number(kb, "free_hugepages") - pool_number(kb, "resv_hugepages") +
	       pool_number(kb, "nr_overcommit_hugepages") - pool_number(kb, "surplus_hugepages");
}

/* Pages of that size which all private mappings of a restore reserve. */
static long needed(const struct restore *r, uint32_t bits)
{
	long pages = 0;

	for (size_t i = 0; i < r->task_count; i++) {
		const MmEntry *mm = r->tasks[i]->mm;

		for (size_t k = 0; mm && k < mm->n_vmas; k++)
			if (hugetlb_match(mm->vmas[k]) && huge_bits(mm->vmas[k]) == bits &&
			    !(mm->vmas[k]->flags & MAP_NORESERVE))
				pages += (mm->vmas[k]->end - mm->vmas[k]->start) >>
					 (bits >> HUGE_SHIFT);
	}
	return pages;
}

/* An empty pool is said here: mmap would only say that there is no memory. */
static int check_pool(const struct restore *r, uint32_t bits, struct err *e)
{
	unsigned long kb = (1UL << (bits >> HUGE_SHIFT)) / 1024;
	long need = needed(r, bits), have = available(kb);

	if (need <= have)
		return 0;
	err_code(e, ENOMEM, "the tasks need %ld huge pages of %lu kB, and %ld are free", need, kb,
		 have < 0 ? 0 : have);
	return err_hint(e, "raise /sys/kernel/mm/hugepages/hugepages-%lukB/nr_hugepages", kb);
}

static int hugetlb_prepare(struct restore *r, struct err *e)
{
	uint64_t seen = 0;

	for (size_t i = 0; i < r->task_count; i++) {
		const MmEntry *mm = r->tasks[i]->mm;

		for (size_t k = 0; mm && k < mm->n_vmas; k++) {
			uint32_t bits = huge_bits(mm->vmas[k]);

			if (!hugetlb_match(mm->vmas[k]) || seen >> (bits >> HUGE_SHIFT) & 1)
				continue;
			seen |= 1ULL << (bits >> HUGE_SHIFT);
			if (check_pool(r, bits, e) < 0)
				return e->code;
		}
	}
	return 0;
}

/* Not inherited: pages that differ could be dropped only as whole huge ones. */
const struct vma_restore_kind hugetlb_restore_kind = {
	.name = "mm/hugetlb",
	.match = hugetlb_match,
	.prepare = hugetlb_prepare,
	.map = anon_map,
};
