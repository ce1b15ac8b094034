/*
 * The vm_flags of a process's mappings as the kernel has them, from a BPF iterator (Linux 6.1, CAP_SYS_ADMIN or CAP_BPF with
 * CAP_PERFMON): in microseconds, where VmFlags of smaps come with a walk through all pages.
 *
 * Which bit is which is nobody's promise; lib/vma_letters.h finds out.
 */
#ifndef STASIS_LIB_VMA_BITS_H
#define STASIS_LIB_VMA_BITS_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "lib/err.h"

struct vma_bits {
	uint64_t start, end, bits;
};

/* Loads the program, which takes some milliseconds. */
must_check int vma_bits_open(int *ret_program, struct err *e);
/* Those of a process, ascending; *ret is the caller's to free. */
must_check int vma_bits_read(int program, pid_t pid, struct vma_bits **ret, size_t *count,
			     struct err *e);

#endif
