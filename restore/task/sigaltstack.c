/* The alternate signal stack of each thread. */
#include <signal.h>
#include <sys/syscall.h>

#include "restore/restore.h"

static int sigaltstack_state(struct rthread *th, struct plan *p, struct err *e)
{
	const ThreadSasEntry *sas = th->core->thread_core->sas;
	stack_t *ss;

	(void)e;
	if (!sas || sas->ss_flags & SS_DISABLE || sas->ss_size == 0)
		return 0; /* as a new thread has it */
	ss = plan_data(p, sizeof(*ss));
	ss->ss_sp = (void *)sas->ss_sp;
	ss->ss_size = sas->ss_size;
	/* Whether the thread is on it the kernel tells from the stack pointer. */
	ss->ss_flags = (int)(sas->ss_flags & ~(uint32_t)SS_ONSTACK);
	plan_call(p, "set the alternate signal stack", SYS_sigaltstack, DATA(p, ss), ARG(0));
	return 0;
}

const struct restore_kind sigaltstack_restore_kind = {
	.name = "task/sigaltstack",
	.thread_state = sigaltstack_state,
};
