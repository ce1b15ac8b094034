/* The kinds of mappings that a dump knows, in the order in which they are asked. */
#include "dump/memory.h"

extern const struct vma_kind vsyscall_vma_kind, vdso_vma_kind, vvar_vma_kind, unsupported_vma_kind;
extern const struct vma_kind droppable_vma_kind, anon_vma_kind, hugetlb_vma_kind;
extern const struct vma_kind sysv_vma_kind, memfd_private_vma_kind, shmem_vma_kind, aio_vma_kind;
extern const struct vma_kind file_shared_vma_kind, file_vma_kind, guard_vma_kind, uring_vma_kind;

const struct vma_kind *const vma_kinds[] = {
	&vsyscall_vma_kind,    &vdso_vma_kind,		&vvar_vma_kind,	 &uring_vma_kind,
	&unsupported_vma_kind, &droppable_vma_kind,	&anon_vma_kind,	 &hugetlb_vma_kind,
	&sysv_vma_kind,	       &memfd_private_vma_kind, &shmem_vma_kind, &aio_vma_kind,
	&file_shared_vma_kind, &file_vma_kind,		&guard_vma_kind,
};

const size_t vma_kind_count = ARRAY_SIZE(vma_kinds);
