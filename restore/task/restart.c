/*
 * System calls that were in progress. The core image has them put so that they are made again whatever happens, as
 * CRIU does it. Where we know how the call was leaving that is taken back, and the kernel decides when the thread goes
 * on: it makes the call again, or gives EINTR because a handler runs.
 */
#include "restore/extra.h"

enum { SYSCALL_SIZE = 2, ERESTARTSYS = 512, ERESTARTNOHAND = 514 };

static int take_back(struct rthread *th, struct err *e)
{
	UserX86RegsEntry *regs = th->core->thread_info->gpregs;
	uint32_t error = th->extra->restart;

	if (error < ERESTARTSYS || error > ERESTARTNOHAND || (int64_t)regs->orig_ax < 0 ||
	    regs->ax != regs->orig_ax)
		return err_say(e,
			       "'stasis-extra.img' has thread %d in a system call, 'core-%d.img' "
			       "does not",
			       th->tid, th->tid);
	regs->ip += SYSCALL_SIZE;
	regs->ax = -(int64_t)error;
	return 0;
}

static int restart_load(struct restore *r, struct err *e)
{
	for (size_t i = 0; i < r->task_count; i++)
		for (size_t k = 0; k < r->tasks[i]->thread_count; k++) {
			struct rthread *th = &r->tasks[i]->threads[k];

			if (th->extra && th->extra->has_restart && take_back(th, e) < 0)
				return e->code;
		}
	return 0;
}

const struct restore_kind restart_restore_kind = {
	.name = "task/restart",
	.load = restart_load,
};
