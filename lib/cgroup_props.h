/* The files in the directory of a control group that are settings, and how they are written back. */
#ifndef STASIS_LIB_CGROUP_PROPS_H
#define STASIS_LIB_CGROUP_PROPS_H

#include <stdbool.h>
#include <stddef.h>

#include "lib/err.h"

/* When a setting is made: before tasks come into the group, with all of them there, or when they are about to run. */
enum cgroup_when { CGROUP_EARLY, CGROUP_LATE, CGROUP_LAST };

struct cgroup_prop {
	const char *
		controller; /* "" for those of version 2, "cgroup" for what every group of version 1 has */
	const char *name; /* with one '*' at most, which stands for anything */
	enum cgroup_when when;
	/* Writes what was read of it; NULL: line by line as it is. */
	int (*write)(int dir, const char *name, const char *value, struct err *e);
};

extern const struct cgroup_prop cgroup_props[];
extern const size_t cgroup_prop_count;

/* The one that a file of this name is. NULL: none of ours; the user may know it. */
const struct cgroup_prop *cgroup_prop_find(const char *file);
/* Nothing is written where the file says so already. */
must_check int cgroup_prop_write(int dir, const char *name, const char *value, struct err *e);

#endif
