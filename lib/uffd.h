/*
 * userfaultfd over another process's memory, through a descriptor that was made inside it: write-protection, and below, pages
 * that are brought when they are touched.
 *
 * Protection lives as long as somebody holds the descriptor: when the last holder closes it, or dies, the kernel
 * takes every protection back and lets all go on that waited.
 */
#ifndef STASIS_LIB_UFFD_H
#define STASIS_LIB_UFFD_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/err.h"

/* What the first write to a protected page does. */
enum uffd_writes {
	UFFD_WRITES_MARK, /* the kernel lets it through and marks the page as written (Linux 6.7) */
	UFFD_WRITES_WAIT, /* it waits until the holder of the descriptor releases the page */
};

/* The flags that the system call of this name takes inside the target. */
int uffd_flags(enum uffd_writes writes);
/* Once, before anything else. */
must_check int uffd_begin(int uffd, enum uffd_writes writes, struct err *e);
/*
 * The mappings of [start,end) may be protected from now on; those that are known already stay as they are. False: not
 * these, because another userfaultfd has them, they are of a kind that cannot be protected, or they are gone.
 */
bool uffd_register(int uffd, uint64_t start, uint64_t end);
/* Protects all pages of [start,end), or releases them and wakes up who waits. */
must_check int uffd_protect(int uffd, uint64_t start, uint64_t end, bool on, struct err *e);
/* Whether the memory that it was made in is still there: a process that has called execve() has another one. */
bool uffd_lives(int uffd);

/* --- pages that are not there ------------------------------------------------------------------- */

/*
 * Whoever touches a missing page waits until the holder brings it, and the holder is told of everything that happens to the
 * mappings: fork, mremap, madvise, munmap. When the last holder is gone the kernel gives zeros: see lazy/pair.h.
 *
 * The flags of the system call; a descriptor for user mode only would make system calls fail.
 */
int uffd_missing_flags(void);
must_check int uffd_missing_begin(int uffd, struct err *e);
must_check int uffd_missing_register(int uffd, uint64_t start, uint64_t end, struct err *e);
/* So many bytes were put into place, or -errno; whoever waits for them goes on. from NULL: zeros. */
int64_t uffd_put(int uffd, uint64_t to, const void *from, uint64_t size);
/* Whoever waits there looks again. */
void uffd_wake(int uffd, uint64_t start, uint64_t end);

#endif
