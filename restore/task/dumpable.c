/*
 * Whether the process may leave a core and be looked at by its user. A change of credentials resets it, in whichever
 * thread it is made, so each thread sets it after its own: the last one counts.
 */
#include <sys/prctl.h>
#include <sys/syscall.h>

#include "restore/restore.h"

static int dumpable_last(struct rthread *th, struct plan *p, struct err *e)
{
	const MmEntry *mm = th->task->mm;

	(void)e;
	if (th->keeps_creds && th != &th->task->threads[0])
		return 0;
	/* 2 (for root only) comes from the kernel's own rules and cannot be set; 0 is as safe. */
	if (mm->has_dumpable)
		plan_call(p, "set whether it is dumpable", SYS_prctl, ARG(PR_SET_DUMPABLE),
			  ARG(mm->dumpable == 1));
	return 0;
}

const struct restore_kind dumpable_restore_kind = {
	.name = "task/dumpable",
	.thread_last = dumpable_last,
};
