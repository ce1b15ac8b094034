/*
 * Flags of mappings without smaps, by what vma_bits.h and vma_letters.h know. Where the kernel, our rights or the mappings do not
 * allow it, nobody notices but in time.
 */
#ifndef STASIS_LIB_VMA_QUICK_H
#define STASIS_LIB_VMA_QUICK_H

#include <stdbool.h>

#include "lib/maps.h"

/*
 * For a process so large that smaps takes longer than to load a program: makes ready what vma_quick_flags needs, once. Whether
 * it is.
 */
bool vma_quick_prepare(int proc_fd);
bool vma_quick_ready(void);
/*
 * Sets flags and may of mappings that 'maps' has told, all of a process. False: nothing is ready, or not all of them are
 * what they were when 'maps' was read, or not all can be told; some may be set.
 */
bool vma_quick_flags(int proc_fd, struct vma *vmas, size_t count);

#endif
