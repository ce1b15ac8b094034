/*
 * What the kernel can do, found by trying: one small probe per feature, and what its absence costs.
 * 'check' prints them all, dump and restore ask the same functions.
 */
#ifndef STASIS_LIB_KERNEL_H
#define STASIS_LIB_KERNEL_H

#include <stdbool.h>
#include <stddef.h>

enum kernel_feature {
#define FEATURE(id, name, probe, class, cost) KERNEL_##id,
#include "lib/kernel.def"
#undef FEATURE
	KERNEL_COUNT,
};

enum kernel_class {
	CLASS_MANDATORY,    /* 'check' fails without it */
	CLASS_EXTRA,	    /* some programs need it */
	CLASS_EXPERIMENTAL, /* being tried */
	CLASS_OPTIONAL,	    /* there is another way, slower or less exact */
};

struct kernel_info {
	const char *name; /* as 'check --feature' knows it */
	enum kernel_class class;
	const char *cost; /* what its absence costs */
};

/*
 * Asks the kernel, the first time in this process: what a kernel can do does not change under it.
 * Some probes start a child and wait for it, so ask before waiting for children of your own.
 */
bool kernel_has(enum kernel_feature feature);
const struct kernel_info *kernel_info(enum kernel_feature feature);
/* KERNEL_COUNT: there is no feature of this name. */
enum kernel_feature kernel_find(const char *name);

#endif
