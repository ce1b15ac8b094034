/* Scheduling policy, priority and nice value of each thread, and the processors that it may run on. */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "dump/extra.h"
#include "dump/machine.h"
#include "lib/io.h"
#include "lib/sched_attr.h"

#ifndef SCHED_DEADLINE
#define SCHED_DEADLINE 6
#endif

enum { PROCESSORS_MAX = 8192 };

static void deadline_to_image(struct thread *th, const struct sched_attr *attr)
{
	SchedDeadlineEntry *d = pool_new(&th->task->dump->pool, SchedDeadlineEntry);

	sched_deadline_entry__init(d);
	d->runtime = attr->runtime;
	d->deadline = attr->deadline;
	d->period = attr->period;
	d->flags = attr->flags;
	thread_extra(th)->deadline = d;
}

static int read_policy(struct thread *th, struct err *e)
{
	ThreadCoreEntry *tc = th->core->thread_core;
	struct sched_attr attr = { 0 };

	if (syscall(SYS_sched_getattr, th->tid, &attr, sizeof(attr), 0) < 0)
		return err_sys(e, "sched_getattr");
	tc->has_sched_policy = 1;
	tc->sched_policy = attr.policy;
	if (attr.flags & SCHED_ATTR_RESET_ON_FORK)
		tc->sched_policy |= SCHED_RESET_ON_FORK;
	if (attr.policy == SCHED_FIFO || attr.policy == SCHED_RR) {
		tc->has_sched_prio = 1;
		tc->sched_prio = attr.priority;
	}
	if (attr.policy == SCHED_DEADLINE)
		deadline_to_image(th, &attr);
	tc->has_sched_nice = 1;
	tc->sched_nice = attr.nice;
	if (attr.policy == SCHED_OTHER || attr.policy == SCHED_BATCH)
		return 0;
	/* It has a nice value also while its policy does not use it. */
	errno = 0;
	tc->sched_nice = getpriority(PRIO_PROCESS, th->tid);
	return errno ? err_sys(e, "getpriority") : 0;
}

/* All that are online: no choice that anybody has made. */
static bool is_everything(const unsigned char *set, long size, long online)
{
	long count = 0;

	for (long i = 0; i < size; i++)
		count += __builtin_popcount(set[i]);
	return count >= online;
}

static int read_processors(struct thread *th, struct err *e)
{
	unsigned char set[PROCESSORS_MAX / 8];
	long size = syscall(SYS_sched_getaffinity, th->tid, sizeof(set), set);
	ExtraEntry *x;

	if (size < 0)
		return err_sys(e, "sched_getaffinity");
	if (is_everything(set, size, machine_of(th->task->dump)->processors))
		return 0;
	x = thread_extra(th);
	x->has_processors = 1;
	x->processors.len = size;
	x->processors.data = pool_copy(&th->task->dump->pool, set, size);
	return 0;
}

static int sched_thread_read(struct thread *th, struct err *e)
{
	if (read_policy(th, e) < 0)
		return e->code;
	return read_processors(th, e);
}

const struct task_kind sched_task_kind = {
	.name = "task/sched",
	.thread_read = sched_thread_read,
};
