/*
 * Signals that wait. Each thread queues its own; everything may be queued to oneself. All signals are blocked in the
 * meantime, but for SIGTRAP, by which plans end: one that waits comes back behind all plans (restore/traps.c).
 */
#include <signal.h>
#include <string.h>
#include <sys/syscall.h>

#include "restore/restore.h"
#include "restore/timers.h"

enum { SIGINFO_SIZE = 128 };

static const siginfo_t *info_of(const SiginfoEntry *s)
{
	return (const siginfo_t *)s->siginfo.data;
}

static int check(const SignalQueueEntry *q, int tid, struct err *e)
{
	for (size_t i = 0; q && i < q->n_signals; i++) {
		int sig;

		if (q->signals[i]->siginfo.len != SIGINFO_SIZE)
			return err_say(e,
				       "'core-%d.img' has a pending signal of %zu bytes instead of "
				       "%d",
				       tid, q->signals[i]->siginfo.len, SIGINFO_SIZE);
		sig = info_of(q->signals[i])->si_signo;
		if (sig < 1 || sig > 64)
			return err_say(e, "'core-%d.img' has a pending signal %d", tid, sig);
	}
	return 0;
}

static int sigpending_load(struct restore *r, struct err *e)
{
	for (size_t i = 0; i < r->task_count; i++)
		for (size_t k = 0; k < r->tasks[i]->thread_count; k++) {
			const struct rthread *th = &r->tasks[i]->threads[k];

			if (!th->core || !th->core->thread_core)
				continue;
			if ((th->core->tc && check(th->core->tc->signals_s, th->tid, e) < 0) ||
			    check(th->core->thread_core->signals_p, th->tid, e) < 0)
				return e->code;
		}
	return 0;
}

/* Others bring it back. */
static bool is_not_ours(const struct rtask *t, const SiginfoEntry *s)
{
	return info_of(s)->si_signo == SIGTRAP || timer_brings(t, info_of(s));
}

static uint32_t sigpending_room(const struct rthread *th)
{
	const SignalQueueEntry *p = th->core->thread_core->signals_p;
	const SignalQueueEntry *s = th->core->tc ? th->core->tc->signals_s : NULL;

	return (p ? p->n_signals : 0) + (s ? s->n_signals : 0);
}

static void queue_shared(const struct rtask *t, const SiginfoEntry *s, struct plan *p)
{
	int sig = info_of(s)->si_signo;

	plan_call(p, plan_words(p, "queue signal %d", sig), SYS_rt_sigqueueinfo, ARG(t->pid),
		  ARG(sig), DATA(p, plan_copy(p, s->siginfo.data, SIGINFO_SIZE)));
}

static void queue_private(const struct rthread *th, const SiginfoEntry *s, struct plan *p)
{
	int sig = info_of(s)->si_signo;

	plan_call(p, plan_words(p, "queue signal %d to the thread", sig), SYS_rt_tgsigqueueinfo,
		  ARG(th->task->pid), ARG(th->tid), ARG(sig),
		  DATA(p, plan_copy(p, s->siginfo.data, SIGINFO_SIZE)));
}

static int sigpending_task_late(struct rtask *t, struct plan *p, struct err *e)
{
	const SignalQueueEntry *q = t->core->tc->signals_s;

	(void)e;
	for (size_t i = 0; q && i < q->n_signals; i++)
		if (!is_not_ours(t, q->signals[i]))
			queue_shared(t, q->signals[i], p);
	return 0;
}

/*
 * SIGCHLD of a thread waits for the next stage: in this one the leader throws away what the deaths of zombies have
 * sent, and both run at the same time.
 */
static void queue_own(struct rthread *th, bool children, struct plan *p)
{
	const SignalQueueEntry *q = th->core->thread_core->signals_p;

	for (size_t i = 0; q && i < q->n_signals; i++)
		if ((info_of(q->signals[i])->si_signo == SIGCHLD) == children &&
		    !is_not_ours(th->task, q->signals[i]))
			queue_private(th, q->signals[i], p);
}

static int sigpending_thread_late(struct rthread *th, struct plan *p, struct err *e)
{
	(void)e;
	queue_own(th, false, p);
	return 0;
}

static int sigpending_thread_last(struct rthread *th, struct plan *p, struct err *e)
{
	(void)e;
	queue_own(th, true, p);
	return 0;
}

const struct restore_kind sigpending_restore_kind = {
	.name = "task/sigpending",
	.load = sigpending_load,
	.room = sigpending_room,
	.task_late = sigpending_task_late,
	.thread_late = sigpending_thread_late,
	.thread_last = sigpending_thread_last,
};
