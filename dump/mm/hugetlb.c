/*
 * Private anonymous memory of huge pages (MAP_HUGETLB). Shared one is an object like any other (shmem.c); a
 * mapped file of a hugetlbfs is a file. The size of the pages goes into the flags of the entry.
 */
#include "dump/memory.h"

#include <string.h>
#include <sys/sysmacros.h>

#include "dump/mm/shmem.h"
#include "images/vma.h"

static bool hugetlb_match(const struct task *t, const struct vma *v)
{
	return v->flags & VMA_HT && !(v->flags & VMA_SH) &&
	       strncmp(v->name, "/anon_hugepage", 14) == 0 &&
	       shmem_huge_page(t->dump, makedev(v->dev_major, v->dev_minor));
}

static int hugetlb_classify(struct task *, struct vma *v, struct err *)
{
	v->status = VMA_AREA_REGULAR | VMA_ANON_PRIVATE;
	return 0;
}

const struct vma_kind hugetlb_vma_kind = {
	.name = "mm/hugetlb",
	.pages = VMA_PAGES_ANON,
	.match = hugetlb_match,
	.classify = hugetlb_classify,
};
