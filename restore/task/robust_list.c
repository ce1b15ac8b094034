/*
 * The list of robust mutexes, which the kernel walks when the thread ends. Late: the end of a restore that fails must
 * not be taken for the death of owners by those who have the same file mapped.
 */
#include <sys/syscall.h>

#include "restore/restore.h"

static int robust_list_last(struct rthread *th, struct plan *p, struct err *e)
{
	const ThreadCoreEntry *tc = th->core->thread_core;

	(void)e;
	if (tc->futex_rla_len)
		plan_call(p, "set the list of robust mutexes", SYS_set_robust_list,
			  ARG(tc->futex_rla), ARG(tc->futex_rla_len));
	return 0;
}

const struct restore_kind robust_list_restore_kind = {
	.name = "task/robust_list",
	.thread_last = robust_list_last,
};
