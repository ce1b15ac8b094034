/* The signal that a thread gets when its parent ends. */
#include <sys/prctl.h>
#include <sys/syscall.h>

#include "dump/dump.h"

static int pdeathsig_ask(struct thread *th, struct plan *p, void **note, struct err *e)
{
	int *sig = plan_data(p, sizeof(*sig));

	(void)th, (void)e;
	plan_call(p, "ask for the parent-death signal", SYS_prctl, ARG(PR_GET_PDEATHSIG),
		  DATA(p, sig));
	*note = sig;
	return 0;
}

static int pdeathsig_save(struct thread *th, const struct plan *p, void *note, struct err *e)
{
	ThreadCoreEntry *tc = th->core->thread_core;

	(void)p, (void)e;
	tc->pdeath_sig = *(int *)note;
	tc->has_pdeath_sig = tc->pdeath_sig != 0;
	return 0;
}

const struct task_kind pdeathsig_task_kind = {
	.name = "task/pdeathsig",
	.thread_ask = pdeathsig_ask,
	.thread_save = pdeathsig_save,
};
