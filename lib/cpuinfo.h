/*
 * What this processor can do, from CPUID: identity, feature words, size of the extended state. A
 * process that has looked at its processor once expects to find the same after a restore.
 */
#ifndef STASIS_LIB_CPUINFO_H
#define STASIS_LIB_CPUINFO_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/err.h"

/*
 * Feature words in the order of cpuinfo.img: the kernel's x86_capability, except that leaf 7 ecx
 * is word 11 and word 16 is empty. CRIU refuses images with another number of words.
 */
#define CPUINFO_WORDS 19

/* Numbers as in cpuinfo.img. */
enum cpu_vendor { CPU_VENDOR_UNKNOWN, CPU_VENDOR_INTEL, CPU_VENDOR_AMD };

struct cpuinfo {
	enum cpu_vendor vendor;
	uint32_t family, model, stepping;
	uint32_t words[CPUINFO_WORDS];
	char model_id[49];
	uint64_t xfeatures_mask; /* xstate components that are switched on (XCR0) */
	uint32_t xsave_size;	 /* bytes of all components that are switched on */
	uint32_t xsave_size_max; /* of all that the processor has */
};

void cpuinfo_read(struct cpuinfo *ret);

/*
 * Whether a process of processor 'was' can run on 'here', as far as caps (CPU_CAP_* of
 * lib/options.h) asks. A refusal names the first thing that does not fit.
 */
must_check int cpuinfo_compare(const struct cpuinfo *was, const struct cpuinfo *here, unsigned caps,
			       struct err *e);

#endif
