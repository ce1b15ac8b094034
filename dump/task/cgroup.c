/* Which control groups each thread is in; dump/cgroups.h. */
#include "dump/cgroups.h"

static int cgroup_ask(struct thread *th, struct plan *p, void **note, struct err *e)
{
	(void)p;
	(void)note;
	return cgroups_note(th, e);
}

const struct task_kind cgroup_task_kind = {
	.name = "task/cgroup",
	.read = cgroups_read,
	.thread_ask = cgroup_ask,
	.finish = cgroups_save,
};
