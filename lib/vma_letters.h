/*
 * What the bits of vm_flags mean in the running kernel, learnt from mappings of our own: smaps has letters for them, and
 * bits that are set exactly where a letter is are what it stands for.
 */
#ifndef STASIS_LIB_VMA_LETTERS_H
#define STASIS_LIB_VMA_LETTERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/err.h"

/* The next two letters of VmFlags of smaps; 0: there are no more. */
uint16_t vma_next_letters(const char **text);
/* Adds what they stand for (enum vma_flag): nothing, if they do not matter. */
void vma_letters_mean(uint16_t letters, uint32_t *flags, uint32_t *may);

struct vma_meaning {
	uint64_t bits;	/* together */
	uint32_t flags; /* enum vma_flag; 0: letters that do not matter */
	uint32_t may;
};

struct vma_letters {
	struct vma_meaning known[64];
	size_t count;
};

/* program: see vma_bits.h. Makes some mappings and takes them away again. */
must_check int vma_letters_learn(struct vma_letters *ret, int program, struct err *e);
/* False: some of the bits are not known. */
bool vma_letters_read(const struct vma_letters *l, uint64_t bits, uint32_t *flags, uint32_t *may);

#endif
