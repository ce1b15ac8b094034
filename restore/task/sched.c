/*
 * Scheduling policy, priority and nice value of each thread, and the processors that it may run on. Late, so that a
 * restore is not slowed down by what a thread may not have, nor the machine by what it may.
 */
#include <sched.h>
#include <sys/resource.h>
#include <sys/syscall.h>

#include "lib/sched_attr.h"
#include "restore/extra.h"

static bool as_born(const struct rthread *th)
{
	const ThreadCoreEntry *tc = th->core->thread_core;
	const struct born *b = &th->task->restore->born;

	return tc->sched_policy == SCHED_OTHER && b->policy == SCHED_OTHER &&
	       tc->sched_nice == b->nice;
}

static void set_policy(const struct rthread *th, struct plan *p)
{
	const ThreadCoreEntry *tc = th->core->thread_core;
	struct sched_attr *attr = plan_data(p, sizeof(*attr));

	attr->size = sizeof(*attr);
	attr->policy = tc->sched_policy & ~(uint32_t)SCHED_RESET_ON_FORK;
	if (tc->sched_policy & SCHED_RESET_ON_FORK)
		attr->flags = SCHED_ATTR_RESET_ON_FORK;
	attr->nice = tc->sched_nice;
	attr->priority = tc->has_sched_prio ? tc->sched_prio : 0;
	if (th->extra && th->extra->deadline) {
		attr->runtime = th->extra->deadline->runtime;
		attr->deadline = th->extra->deadline->deadline;
		attr->period = th->extra->deadline->period;
		attr->flags |= th->extra->deadline->flags;
	}
	/* First the value that policies other than SCHED_OTHER do not use, but keep. */
	plan_call(p, plan_words(p, "set the nice value to %d", tc->sched_nice), SYS_setpriority,
		  ARG(PRIO_PROCESS), ARG(0), ARG(tc->sched_nice));
	plan_call(p, plan_words(p, "set scheduling policy %u", attr->policy), SYS_sched_setattr,
		  ARG(0), DATA(p, attr), ARG(0));
}

static int sched_last(struct rthread *th, struct plan *p, struct err *e)
{
	const ExtraEntry *x = th->extra;

	(void)e;
	/* On a machine that has none of these processors the thread may run anywhere. */
	if (x && x->has_processors)
		plan_try(p, "set the processors", SYS_sched_setaffinity, ARG(0),
			 ARG(x->processors.len),
			 DATA(p, plan_copy(p, x->processors.data, x->processors.len)));
	if (th->core->thread_core->has_sched_policy && !as_born(th))
		set_policy(th, p);
	return 0;
}

static int sched_load(struct restore *r, struct err *e)
{
	(void)e;
	r->born.nice = getpriority(PRIO_PROCESS, 0);
	r->born.policy = sched_getscheduler(0);
	return 0;
}

const struct restore_kind sched_restore_kind = {
	.name = "task/sched",
	.load = sched_load,
	.thread_last = sched_last,
};
