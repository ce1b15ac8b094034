/* How late timers of a thread may go off. A new thread has what its creator has, in the end ours. */
#include <sys/prctl.h>
#include <sys/syscall.h>

#include "restore/extra.h"

enum { DEFAULT_SLACK = 50000 };

static int timerslack_last(struct rthread *th, struct plan *p, struct err *e)
{
	uint64_t slack = th->extra && th->extra->has_timer_slack ? th->extra->timer_slack :
								   DEFAULT_SLACK;

	(void)e;
	/* 0 belongs to real-time policies, and comes with them; to set it means the default. */
	if (slack && slack != th->task->restore->born.timer_slack)
		plan_call(p, "set the timer slack", SYS_prctl, ARG(PR_SET_TIMERSLACK), ARG(slack));
	return 0;
}

static int timerslack_load(struct restore *r, struct err *e)
{
	(void)e;
	r->born.timer_slack = prctl(PR_GET_TIMERSLACK);
	return 0;
}

const struct restore_kind timerslack_restore_kind = {
	.name = "task/timerslack",
	.load = timerslack_load,
	.thread_last = timerslack_last,
};
