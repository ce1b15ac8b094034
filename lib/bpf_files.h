/*
 * Where the kernel has the open file descriptions of a process, from a BPF iterator (Linux 6.1, CAP_SYS_ADMIN or CAP_BPF with
 * CAP_PERFMON): two descriptors have the same one if and only if they share a description.
 */
#ifndef STASIS_LIB_BPF_FILES_H
#define STASIS_LIB_BPF_FILES_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "lib/err.h"

struct file_address {
	uint64_t num, at; /* 0 is none */
};

must_check int file_addresses_open(int *ret_program, struct err *e);
/* Those of a process, ascending by number; *ret is the caller's to free. */
must_check int file_addresses_read(int program, pid_t pid, struct file_address **ret, size_t *count,
				   struct err *e);

#endif
