/* The kinds of mappings that a restore knows, in the order in which they are asked. */
#include "restore/memory.h"

extern const struct vma_restore_kind guard_restore_kind, vsyscall_restore_kind;
extern const struct vma_restore_kind vdso_restore_kind, vvar_restore_kind, aio_restore_kind;
extern const struct vma_restore_kind sysv_restore_kind, memfd_private_restore_kind,
	shmem_restore_kind;
extern const struct vma_restore_kind file_shared_restore_kind, file_restore_kind;
extern const struct vma_restore_kind hugetlb_restore_kind, anon_restore_kind, uring_restore_kind;

const struct vma_restore_kind *const vma_restore_kinds[] = {
	&guard_restore_kind,	   &vsyscall_restore_kind,	&vdso_restore_kind,
	&vvar_restore_kind,	   &aio_restore_kind,		&uring_restore_kind,
	&sysv_restore_kind,	   &memfd_private_restore_kind, &shmem_restore_kind,
	&file_shared_restore_kind, &file_restore_kind,		&hugetlb_restore_kind,
	&anon_restore_kind,
};

const size_t vma_restore_kind_count = ARRAY_SIZE(vma_restore_kinds);
