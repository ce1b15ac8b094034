/*
 * The three interval timers of a process, armed as late as can be. To those on processor time the kernel adds a tick
 * each time they are set, so as not to be early; that is taken off first.
 */
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>

#include "restore/restore.h"

enum { US = 1000000 };
/* Some billion years: beyond that nobody can reckon. */
#define SECONDS_MAX (INT64_MAX / US / 2)

static bool is_possible(const ItimerEntry *t)
{
	return t->isec < SECONDS_MAX && t->vsec < SECONDS_MAX && t->iusec < US && t->vusec < US;
}

static int itimers_load(struct restore *r, struct err *e)
{
	for (size_t i = 0; i < r->task_count; i++) {
		const TaskTimersEntry *all = r->tasks[i]->core->tc->timers;

		if (all &&
		    !(is_possible(all->real) && is_possible(all->virt) && is_possible(all->prof)))
			return err_say(e, "'core-%d.img' has interval timers with impossible times",
				       r->tasks[i]->pid);
	}
	return 0;
}

static struct timeval without_tick(struct timeval t)
{
	struct timespec tick;
	int64_t us = t.tv_sec * (int64_t)US + t.tv_usec;

	/* The coarse clocks go on by ticks. */
	if (clock_getres(CLOCK_MONOTONIC_COARSE, &tick) < 0)
		return t;
	us -= tick.tv_nsec / 1000;
	if (us < 1)
		us = 1;
	return (struct timeval){ us / US, us % US };
}

static void arm(struct plan *p, int which, const ItimerEntry *t)
{
	struct itimerval *v;

	if (!(t->vsec || t->vusec || t->isec || t->iusec))
		return; /* as every process has it at first */
	v = plan_data(p, sizeof(*v));
	v->it_interval = (struct timeval){ t->isec, t->iusec };
	v->it_value = (struct timeval){ t->vsec, t->vusec };
	/* It had just gone off. */
	if (!(t->vsec || t->vusec))
		v->it_value = v->it_interval;
	if (which != ITIMER_REAL)
		v->it_value = without_tick(v->it_value);
	plan_call(p, "arm an interval timer", SYS_setitimer, ARG(which), DATA(p, v), ARG(0));
}

static int itimers_last(struct rtask *t, struct plan *p, struct err *e)
{
	const TaskTimersEntry *timers = t->core->tc->timers;

	(void)e;
	if (!timers)
		return 0;
	arm(p, ITIMER_REAL, timers->real);
	arm(p, ITIMER_VIRTUAL, timers->virt);
	arm(p, ITIMER_PROF, timers->prof);
	return 0;
}

const struct restore_kind itimers_restore_kind = {
	.name = "task/itimers",
	.load = itimers_load,
	.task_last = itimers_last,
};
