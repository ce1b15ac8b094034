/* Which control groups each thread is in; restore/cgroups.h. */
#include "restore/cgroups.h"

const struct restore_kind cgroup_restore_kind = {
	.name = "task/cgroup",
	.load = rcgroups_load,
};
