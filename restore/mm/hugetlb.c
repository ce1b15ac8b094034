/*
 * Private anonymous memory of huge pages. The pool of the machine must have them; that is looked at before anything is
 * made, since mmap would only say that there is no memory.
 */
#include <errno.h>
#include <stdio.h>

#include "images/vma.h"
#include "restore/mm/map.h"

static bool hugetlb_match(const VmaEntry *v)
{
	return v->flags & MAP_HUGETLB && v->status & VMA_ANON_PRIVATE &&
	       v->status & VMA_AREA_REGULAR;
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
			if (hugetlb_match(mm->vmas[k]) && map_huge_bits(mm->vmas[k]) == bits &&
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
			uint32_t bits = map_huge_bits(mm->vmas[k]);

			if (!hugetlb_match(mm->vmas[k]) || seen >> (bits >> HUGE_SHIFT) & 1)
				continue;
			seen |= 1ULL << (bits >> HUGE_SHIFT);
			if (check_pool(r, bits, e) < 0)
				return e->code;
		}
	}
	return 0;
}

static int hugetlb_map(struct rtask *, const VmaEntry *v, bool fill, struct plan *p, struct err *)
{
	map_entry(v, fill, ARG(-1), "huge pages", p);
	return 0;
}

/* Not inherited: pages that differ could be dropped only as whole huge ones. */
const struct vma_restore_kind hugetlb_restore_kind = {
	.name = "mm/hugetlb",
	.match = hugetlb_match,
	.prepare = hugetlb_prepare,
	.map = hugetlb_map,
};
