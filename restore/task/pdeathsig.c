/*
 * The signal that a thread gets when its parent ends. After the credentials, whose change clears it.
 *
 * The first task of a detached restore must not have us for a parent by now, or our own end would send the signal;
 * restore/spawn.c sees to that.
 */
#include <sys/prctl.h>
#include <sys/syscall.h>

#include "restore/restore.h"

static int pdeathsig_last(struct rthread *th, struct plan *p, struct err *e)
{
	const ThreadCoreEntry *tc = th->core->thread_core;

	(void)e;
	if (tc->has_pdeath_sig && tc->pdeath_sig)
		plan_call(p, "set the parent-death signal", SYS_prctl, ARG(PR_SET_PDEATHSIG),
			  ARG(tc->pdeath_sig));
	return 0;
}

const struct restore_kind pdeathsig_restore_kind = {
	.name = "task/pdeathsig",
	.thread_last = pdeathsig_last,
};
