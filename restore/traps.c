/*
 * What a task had of SIGTRAP, the signal that ends each plan of a restore. It comes behind all plans, and is done by
 * system calls that we make by hand, one after the other.
 *
 * The trap of a plan is a forced signal: where the task ignores SIGTRAP, the kernel puts the default action in its
 * place. One that waits would be taken for the end of a plan, or be lost, since there is never more than one of it in a
 * queue.
 */
#include "restore/traps.h"

#include <signal.h>
#include <string.h>
#include <sys/syscall.h>

#include "restore/run.h"

/* As the kernel gives it back: without SIGKILL and SIGSTOP. */
#define ALL_BLOCKED (~0ULL & ~(1ULL << (SIGKILL - 1)) & ~(1ULL << (SIGSTOP - 1)))

const SaEntry *action_of(const CoreEntry *core, int n)
{
	size_t i = n - 1 - (n > SIGKILL) - (n > SIGSTOP);

	return core->tc->n_sigactions > i ? core->tc->sigactions[i] : NULL;
}

static int by_hand(const struct rthread *th, struct hand_call c, const char *what, struct err *e)
{
	if (run_syscall(th->task->restore, th->here, &c, e) < 0)
		return e->code;
	return c.result < 0 ? err_res(e, c.result, "%s thread %d", what, th->tid) : 0;
}

/* Into the arena, where the task finds it. */
static int put(struct restore *r, const void *data, size_t size, uint64_t *ret, struct err *e)
{
	void *here = arena_alloc(&r->arena, size);

	if (!here)
		return err_say(e, "the arena is full");
	memcpy(here, data, size);
	*ret = arena_there(&r->arena, here).at;
	return 0;
}

static int ignore(struct rtask *t, struct err *e)
{
	const SaEntry *sa = action_of(t->core, SIGTRAP);
	uint64_t action[4], at = 0;

	if (!sa || sa->sigaction != (uintptr_t)SIG_IGN)
		return 0;
	action[0] = sa->sigaction;
	action[1] = sa->flags;
	action[2] = sa->restorer;
	action[3] = sa->mask;
	if (put(t->restore, action, sizeof(action), &at, e) < 0)
		return e->code;
	struct hand_call c = { .nr = SYS_rt_sigaction, .args = { SIGTRAP, at, 0, 8 } };
	return by_hand(&t->threads[0], c, "ignore SIGTRAP in", e);
}

/* There is one at most in a queue. */
static const SiginfoEntry *waiting(const SignalQueueEntry *q)
{
	for (size_t i = 0; q && i < q->n_signals; i++)
		if (((const siginfo_t *)q->signals[i]->siginfo.data)->si_signo == SIGTRAP)
			return q->signals[i];
	return NULL;
}

static int queue(struct rthread *th, bool shared, const SiginfoEntry *s, struct err *e)
{
	uint64_t at = 0;

	if (!s)
		return 0;
	if (put(th->task->restore, s->siginfo.data, s->siginfo.len, &at, e) < 0 ||
	    tracee_set_mask(th->here, ALL_BLOCKED, e) < 0)
		return e->code;
	struct hand_call all = { .nr = SYS_rt_sigqueueinfo,
				 .args = { th->task->pid, SIGTRAP, at } };
	struct hand_call one = { .nr = SYS_rt_tgsigqueueinfo,
				 .args = { th->task->pid, th->tid, SIGTRAP, at } };
	return by_hand(th, shared ? all : one, "queue SIGTRAP to", e);
}

int traps_restore(struct rtask *t, struct err *e)
{
	/* What comes from now on is the task's own, to be delivered when it runs. */
	if (tracee_set_mask(rtask_here(t), ALL_BLOCKED, e) < 0 || ignore(t, e) < 0 ||
	    queue(&t->threads[0], true, waiting(t->core->tc->signals_s), e) < 0)
		return e->code;
	for (size_t k = 0; k < t->thread_count; k++)
		if (queue(&t->threads[k], false,
			  waiting(t->threads[k].core->thread_core->signals_p), e) < 0)
			return e->code;
	return 0;
}
