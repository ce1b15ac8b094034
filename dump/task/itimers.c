/* The three interval timers of a process. Only the process itself can be asked. */
#include <sys/syscall.h>
#include <sys/time.h>

#include "dump/dump.h"

enum { TIMERS = 3 };

static int itimers_ask(struct task *t, struct plan *p, void **note, struct err *e)
{
	struct itimerval *all = plan_data(p, TIMERS * sizeof(*all));

	(void)t, (void)e;
	for (int which = 0; which < TIMERS; which++)
		plan_call(p, "ask for an interval timer", SYS_getitimer, ARG(which),
			  DATA(p, &all[which]));
	*note = all;
	return 0;
}

static ItimerEntry *to_image(struct pool *pool, const struct itimerval *v)
{
	ItimerEntry *entry = pool_new(pool, ItimerEntry);

	itimer_entry__init(entry);
	entry->isec = v->it_interval.tv_sec;
	entry->iusec = v->it_interval.tv_usec;
	entry->vsec = v->it_value.tv_sec;
	entry->vusec = v->it_value.tv_usec;
	return entry;
}

static int itimers_save(struct task *t, const struct plan *p, void *note, struct err *e)
{
	TaskCoreEntry *tc = t->threads[0].core->tc;
	const struct itimerval *all = note;

	(void)p, (void)e;
	/* posix_timers.c adds to the same message. */
	tc->timers = pool_new(&t->dump->pool, TaskTimersEntry);
	task_timers_entry__init(tc->timers);
	tc->timers->real = to_image(&t->dump->pool, &all[ITIMER_REAL]);
	tc->timers->virt = to_image(&t->dump->pool, &all[ITIMER_VIRTUAL]);
	tc->timers->prof = to_image(&t->dump->pool, &all[ITIMER_PROF]);
	return 0;
}

const struct task_kind itimers_task_kind = {
	.name = "task/itimers",
	.ask = itimers_ask,
	.save = itimers_save,
};
