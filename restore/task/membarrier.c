/* The kinds of membarrier(2) that the process has registered for: a bit for each command. */
#include <sys/syscall.h>

#include "restore/restore.h"

static int membarrier_state(struct rtask *t, struct plan *p, struct err *e)
{
	const TaskCoreEntry *tc = t->core->tc;

	(void)e;
	for (int bit = 0; tc->has_membarrier_registration_mask && bit < 32; bit++)
		if (tc->membarrier_registration_mask >> bit & 1)
			plan_call(p, "register for membarrier", SYS_membarrier, ARG(1U << bit));
	return 0;
}

const struct restore_kind membarrier_restore_kind = {
	.name = "task/membarrier",
	.task_state = membarrier_state,
};
