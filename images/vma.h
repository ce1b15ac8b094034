/* What a mapping is: the status bits of a vma_entry. They decide where its contents are. */
#ifndef STASIS_IMAGES_VMA_H
#define STASIS_IMAGES_VMA_H

#define VMA_AREA_REGULAR	(1U << 0)  /* restore it; absent for vsyscall, AIO rings, guards */
#define VMA_AREA_STACK		(1U << 1)  /* old images only */
#define VMA_AREA_VSYSCALL	(1U << 2)  /* the kernel's vsyscall page, never touched */
#define VMA_AREA_VDSO		(1U << 3)  /* code of the vDSO, every page stored */
#define VMA_AREA_HEAP		(1U << 5)  /* the one that brk() grows, for information */
#define VMA_FILE_PRIVATE	(1U << 6)  /* shmid = file id; stored pages lie over the file's */
#define VMA_FILE_SHARED		(1U << 7)  /* shmid = file id */
#define VMA_ANON_SHARED		(1U << 8)  /* shmid = shared memory object */
#define VMA_ANON_PRIVATE	(1U << 9)  /* pages not stored are zero */
#define VMA_AREA_SYSVIPC	(1U << 10) /* with VMA_ANON_SHARED: shmid = SysV id */
#define VMA_AREA_SOCKET		(1U << 11) /* ring of a packet socket, shmid = file id */
#define VMA_AREA_VVAR		(1U << 12) /* [vvar] and [vvar_vclock] together, nothing stored */
#define VMA_AREA_AIORING	(1U << 13) /* alone; every page stored */
#define VMA_AREA_MEMFD		(1U << 14) /* with VMA_FILE_*: shmid = file id of a memfd */
#define VMA_AREA_SHSTK		(1U << 15) /* x86 shadow stack */
#define VMA_AREA_GUARD		(1U << 16) /* MADV_GUARD_INSTALL; no mapping, after all that are */
#define VMA_AREA_UPROBES	(1U << 17) /* skipped by a dump, never in images */
#define VMA_EXT_PLUGIN		(1U << 27) /* contents belong to a plugin */

#endif
