/* How late timers of a thread may go off. CRIU's images have no place for it. */
#include <sys/prctl.h>
#include <sys/syscall.h>

#include "dump/extra.h"

enum { DEFAULT_SLACK = 50000 };

static int timerslack_ask(struct thread *th, struct plan *p, void **note, struct err *e)
{
	int *entry = pool_new(&th->task->dump->pool, int);

	(void)e;
	*entry = plan_call(p, "ask for the timer slack", SYS_prctl, ARG(PR_GET_TIMERSLACK));
	*note = entry;
	return 0;
}

static int timerslack_save(struct thread *th, const struct plan *p, void *note, struct err *e)
{
	long slack = plan_result(p, *(int *)note);

	(void)e;
	if (slack == DEFAULT_SLACK)
		return 0;
	thread_extra(th)->has_timer_slack = 1;
	thread_extra(th)->timer_slack = slack;
	return 0;
}

const struct task_kind timerslack_task_kind = {
	.name = "task/timerslack",
	.thread_ask = timerslack_ask,
	.thread_save = timerslack_save,
};
