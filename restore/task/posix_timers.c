/*
 * POSIX timers: created with their ids (state), armed as late as can be (last).
 *
 * Since 6.15 the kernel gives the id that is asked for; before that it counts up, and ids in between are created and
 * deleted again.
 *
 * A periodic timer whose signal waits is set so that it went off in the past: the kernel then queues the signal itself
 * and knows how often the timer has run over. The same way it gets back the count that timer_getoverrun() tells: its
 * signal is taken at once. Timers on processor time have no such past; their signals are queued like all others.
 */
#include "restore/timers.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <time.h>

#include "lib/cpu_clock.h"
#include "lib/kernel.h"

#ifndef PR_TIMER_CREATE_RESTORE_IDS
#define PR_TIMER_CREATE_RESTORE_IDS 77
#endif

#define NS 1000000000ULL

#define SECONDS_MAX (INT64_MAX / NS) /* more than that the kernel never tells */

enum { GAP_MAX = 10000, ENTRIES_PER_TIMER = 3, SIGNALS = 64 };

static const TaskTimersEntry *timers_of(const struct rtask *t)
{
	return t->core && t->core->tc ? t->core->tc->timers : NULL;
}

static int by_id(const void *a, const void *b)
{
	const PosixTimerEntry *const *x = a, *const *y = b;

	return (*x)->it_id < (*y)->it_id ? -1 : (*x)->it_id > (*y)->it_id;
}

/* The thread whose processor time it measures has to create it. */
static bool of_thread(const PosixTimerEntry *timer)
{
	return clock_of_creator((clockid_t)timer->clock_id) &&
	       timer->it_sigev_notify & SIGEV_THREAD_ID;
}

static bool is_thread(const struct rtask *t, int tid)
{
	for (size_t i = 0; i < t->thread_count; i++)
		if (t->threads[i].tid == tid)
			return true;
	return false;
}

static bool sends_no_signal(const PosixTimerEntry *timer)
{
	return timer->si_signo < 1 || timer->si_signo > SIGNALS;
}

static int check(const struct rtask *t, const PosixTimerEntry *timer, struct err *e)
{
	if (timer->it_sigev_notify & SIGEV_THREAD_ID &&
	    (!timer->has_notify_thread_id || !is_thread(t, timer->notify_thread_id)))
		return err_say(e, "timer %u of pid %d tells a thread that there is not",
			       timer->it_id, t->pid);
	if (timer->insec >= NS || timer->vnsec >= NS || timer->isec > SECONDS_MAX ||
	    timer->vsec > SECONDS_MAX)
		return err_say(e, "timer %u of pid %d has impossible times", timer->it_id, t->pid);
	if (timer->it_id > INT32_MAX ||
	    (timer->it_sigev_notify != SIGEV_NONE && sends_no_signal(timer)))
		return err_say(e, "timer %u of pid %d has an impossible id or signal %u",
			       timer->it_id, t->pid, timer->si_signo);
	if (kernel_has(KERNEL_TIMER_CR_IDS) || (timer->it_id <= GAP_MAX && !of_thread(timer)))
		return 0;
	return err_code(e, ENOTSUP,
			"timer %u of pid %d cannot get its id back; this needs Linux 6.15",
			timer->it_id, t->pid);
}

static int posix_timers_load(struct restore *r, struct err *e)
{
	for (size_t i = 0; i < r->task_count; i++) {
		const TaskTimersEntry *all = timers_of(r->tasks[i]);

		if (!all || !all->n_posix)
			continue;
		qsort(all->posix, all->n_posix, sizeof(*all->posix), by_id);
		for (size_t k = 0; k < all->n_posix; k++)
			if (check(r->tasks[i], all->posix[k], e) < 0)
				return e->code;
	}
	return 0;
}

static uint32_t posix_timers_room(const struct rthread *th)
{
	const TaskTimersEntry *all = timers_of(th->task);
	uint32_t gaps = 0;

	if (!all || !all->n_posix)
		return 0;
	if (!kernel_has(KERNEL_TIMER_CR_IDS))
		gaps = 2 * (all->posix[all->n_posix - 1]->it_id + 1);
	return gaps + ENTRIES_PER_TIMER * all->n_posix + 2;
}

static struct sigevent *event_of(const PosixTimerEntry *timer, struct plan *p)
{
	struct sigevent *ev = plan_data(p, sizeof(*ev));

	ev->sigev_notify = (int)timer->it_sigev_notify;
	ev->sigev_signo = (int)timer->si_signo;
	ev->sigev_value.sival_ptr = (void *)timer->sival_ptr;
	ev->_sigev_un._tid = timer->has_notify_thread_id ? timer->notify_thread_id : 0;
	return ev;
}

static void create(const PosixTimerEntry *timer, struct plan *p)
{
	int *id = plan_data(p, sizeof(*id));

	*id = (int)timer->it_id;
	plan_call(p, plan_words(p, "create timer %u", timer->it_id), SYS_timer_create,
		  ARG((int)timer->clock_id), DATA(p, event_of(timer, p)), DATA(p, id));
}

/* A new process counts from 0. */
static void skip_ids(uint32_t from, uint32_t to, struct plan *p)
{
	struct sigevent *ev = plan_data(p, sizeof(*ev));
	int *id = plan_data(p, sizeof(*id));

	ev->sigev_notify = SIGEV_NONE;
	for (; from < to; from++) {
		plan_call(p, "use up an id of a timer", SYS_timer_create, ARG(CLOCK_MONOTONIC),
			  DATA(p, ev), DATA(p, id));
		plan_call(p, "delete the timer again", SYS_timer_delete, ARG(from));
	}
}

static void choose_ids(bool on, struct plan *p)
{
	plan_call(p, "choose the ids of timers", SYS_prctl, ARG(PR_TIMER_CREATE_RESTORE_IDS),
		  ARG(on));
}

static int posix_timers_task_state(struct rtask *t, struct plan *p, struct err *e)
{
	const TaskTimersEntry *all = timers_of(t);
	bool choose = kernel_has(KERNEL_TIMER_CR_IDS);
	uint32_t next = 0;

	(void)e;
	if (!all || !all->n_posix)
		return 0;
	if (choose)
		choose_ids(true, p);
	for (size_t i = 0; i < all->n_posix; i++) {
		if (of_thread(all->posix[i]))
			continue;
		if (!choose)
			skip_ids(next, all->posix[i]->it_id, p);
		create(all->posix[i], p);
		next = all->posix[i]->it_id + 1;
	}
	return 0;
}

static int posix_timers_thread_state(struct rthread *th, struct plan *p, struct err *e)
{
	const TaskTimersEntry *all = timers_of(th->task);

	(void)e;
	for (size_t i = 0; all && i < all->n_posix; i++) {
		if (!of_thread(all->posix[i]) || all->posix[i]->notify_thread_id != th->tid)
			continue;
		choose_ids(true, p);
		create(all->posix[i], p);
	}
	return 0;
}

/* --- time --------------------------------------------------------------------------------------- */

static uint64_t interval_ns(const PosixTimerEntry *timer)
{
	return timer->isec * NS + timer->insec;
}

/* Whether now - count intervals is a point in time that the clock knows. */
static bool has_past(const struct restore *r, const PosixTimerEntry *timer, uint32_t count)
{
	uint64_t interval = interval_ns(timer);

	switch ((clockid_t)timer->clock_id) {
	case CLOCK_REALTIME:
	case CLOCK_TAI:
	case CLOCK_MONOTONIC:
	case CLOCK_BOOTTIME:
	case CLOCK_REALTIME_ALARM:
	case CLOCK_BOOTTIME_ALARM:
		break;
	default:
		return false;
	}
	return interval && timer->isec < 1000000000 &&
	       (count + 2ULL) <= r->started_at * 1000 / interval;
}

static const PosixTimerEntry *find_timer(const struct rtask *t, int id)
{
	const TaskTimersEntry *all = timers_of(t);

	for (size_t i = 0; all && i < all->n_posix; i++)
		if ((int)all->posix[i]->it_id == id)
			return all->posix[i];
	return NULL;
}

bool timer_brings(const struct rtask *t, const siginfo_t *s)
{
	const PosixTimerEntry *timer;

	if (s->si_code != SI_TIMER || s->si_signo == SIGTRAP)
		return false;
	timer = find_timer(t, s->si_timerid);
	return timer && (int)timer->si_signo == s->si_signo && s->si_overrun >= 0 &&
	       has_past(t->restore, timer, s->si_overrun);
}

static const siginfo_t *find_signal(const SignalQueueEntry *q, const PosixTimerEntry *timer)
{
	for (size_t i = 0; q && i < q->n_signals; i++) {
		const siginfo_t *s = (const siginfo_t *)q->signals[i]->siginfo.data;

		if (s->si_code == SI_TIMER && s->si_timerid == (int)timer->it_id)
			return s;
	}
	return NULL;
}

/* The signal of the timer that waits, NULL: none does. */
static const siginfo_t *waiting(const struct rtask *t, const PosixTimerEntry *timer)
{
	const siginfo_t *s = find_signal(t->core->tc->signals_s, timer);

	for (size_t i = 0; i < t->thread_count && !s; i++)
		s = find_signal(t->threads[i].core->thread_core->signals_p, timer);
	return s;
}

static bool any_waits(const struct rtask *t, int sig)
{
	const SignalQueueEntry *q[] = { t->core->tc->signals_s,
					t->threads[0].core->thread_core->signals_p };

	for (size_t k = 0; k < ARRAY_SIZE(q); k++)
		for (size_t i = 0; q[k] && i < q[k]->n_signals; i++)
			if (((const siginfo_t *)q[k]->signals[i]->siginfo.data)->si_signo == sig)
				return true;
	return false;
}

static struct timespec to_timespec(uint64_t ns)
{
	return (struct timespec){ ns / NS, ns % NS };
}

/* Armed so that it has gone off count + 1 times by now. */
static void arm_in_the_past(const PosixTimerEntry *timer, uint32_t count, struct plan *p)
{
	struct itimerspec *spec = plan_data(p, sizeof(*spec));
	struct timespec now;
	uint64_t next;

	clock_gettime((clockid_t)timer->clock_id, &now);
	next = now.tv_sec * NS + now.tv_nsec + timer->vsec * NS + timer->vnsec;
	spec->it_interval = to_timespec(interval_ns(timer));
	spec->it_value = to_timespec(next - (count + 1ULL) * interval_ns(timer));
	plan_call(p, plan_words(p, "arm timer %u, which has gone off", timer->it_id),
		  SYS_timer_settime, ARG(timer->it_id), ARG(TIMER_ABSTIME), DATA(p, spec), ARG(0));
}

static void take_signal(int sig, struct plan *p)
{
	struct timespec *patience = plan_data(p, sizeof(*patience));
	uint64_t *set = plan_data(p, sizeof(*set));

	patience->tv_sec = 1;
	*set = 1ULL << (sig - 1);
	plan_call(p, "take the signal of the timer", SYS_rt_sigtimedwait, DATA(p, set), ARG(0),
		  DATA(p, patience), ARG(8));
}

static void arm(const PosixTimerEntry *timer, struct plan *p)
{
	struct itimerspec *spec;

	if (!(timer->vsec || timer->vnsec || timer->isec || timer->insec))
		return; /* it is not armed, or was for one time that is over */
	spec = plan_data(p, sizeof(*spec));
	spec->it_interval = to_timespec(interval_ns(timer));
	spec->it_value = to_timespec(timer->vsec * NS + timer->vnsec);
	if (!(timer->vsec || timer->vnsec))
		spec->it_value = spec->it_interval;
	plan_call(p, plan_words(p, "arm timer %u", timer->it_id), SYS_timer_settime,
		  ARG(timer->it_id), ARG(0), DATA(p, spec), ARG(0));
}

static int posix_timers_last(struct rtask *t, struct plan *p, struct err *e)
{
	const TaskTimersEntry *all = timers_of(t);

	(void)e;
	if (!all || !all->n_posix)
		return 0;
	if (kernel_has(KERNEL_TIMER_CR_IDS))
		choose_ids(false, p);
	for (size_t i = 0; i < all->n_posix; i++) {
		const PosixTimerEntry *timer = all->posix[i];
		const siginfo_t *s = waiting(t, timer);

		if (s && timer_brings(t, s)) {
			arm_in_the_past(timer, s->si_overrun, p);
		} else if (timer->overrun && !s && timer->it_sigev_notify == SIGEV_SIGNAL &&
			   timer->si_signo != SIGTRAP && !any_waits(t, (int)timer->si_signo) &&
			   has_past(t->restore, timer, timer->overrun)) {
			arm_in_the_past(timer, timer->overrun, p);
			take_signal((int)timer->si_signo, p);
		} else {
			arm(timer, p);
		}
	}
	return 0;
}

const struct restore_kind posix_timers_restore_kind = {
	.name = "task/posix_timers",
	.load = posix_timers_load,
	.room = posix_timers_room,
	.task_state = posix_timers_task_state,
	.thread_state = posix_timers_thread_state,
	.task_last = posix_timers_last,
};
