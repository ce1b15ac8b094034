/* Which control groups each thread is in; dump/cgroups.h. */
#include "dump/cgroups.h"

const struct task_kind cgroup_task_kind = {
	.name = "task/cgroup",
	.thread_read = cgroups_read,
	.finish = cgroups_save,
};
