/*
 * What a process does on each signal. SIGCHLD comes later than the others: until the zombies have died it must do
 * what it does by default, and what their deaths have sent is thrown away.
 */
#include <signal.h>
#include <sys/syscall.h>

#include "restore/restore.h"

enum { SIGNALS = 64 };

struct kernel_action {
	uint64_t handler, flags, restorer, mask;
};

static bool fixed(int sig)
{
	return sig == SIGKILL || sig == SIGSTOP;
}

static void set_action(struct plan *p, int sig, const struct kernel_action *action)
{
	plan_call(p, plan_words(p, "set the handler of signal %d", sig), SYS_rt_sigaction, ARG(sig),
		  DATA(p, plan_copy(p, action, sizeof(*action))), ARG(0), ARG(8));
}

/* All signals in order, without the two that cannot be set. */
static void set_actions(const TaskCoreEntry *tc, bool children, struct plan *p)
{
	size_t n = 0;

	for (int sig = 1; sig <= SIGNALS; sig++) {
		const SaEntry *sa;

		if (fixed(sig))
			continue;
		sa = tc->sigactions[n++];
		if ((sig == SIGCHLD) != children)
			continue;
		set_action(p, sig,
			   &(struct kernel_action){ sa->sigaction, sa->flags, sa->restorer,
						    sa->mask });
	}
}

static int sigactions_load(struct restore *r, struct err *e)
{
	for (size_t i = 0; i < r->task_count; i++) {
		const TaskCoreEntry *tc = r->tasks[i]->core->tc;

		if (r->tasks[i]->state == 2)
			continue;
		if (tc->n_sigactions != SIGNALS - 2)
			return err_say(e, "'core-%d.img' has %zu signal handlers instead of %d",
				       r->tasks[i]->pid, tc->n_sigactions, SIGNALS - 2);
		for (size_t n = 0; n < tc->n_sigactions; n++)
			if (tc->sigactions[n]->has_compat_sigaction &&
			    tc->sigactions[n]->compat_sigaction)
				return err_say(e,
					       "'core-%d.img' has signal handlers of 32-bit "
					       "code, which is not supported",
					       r->tasks[i]->pid);
	}
	return 0;
}

/* Before any signal is queued: to ignore a signal throws away those that wait. */
static int sigactions_state(struct rtask *t, struct plan *p, struct err *e)
{
	(void)e;
	set_actions(t->core->tc, false, p);
	return 0;
}

static int sigactions_late(struct rtask *t, struct plan *p, struct err *e)
{
	(void)e;
	set_action(p, SIGCHLD, &(struct kernel_action){ .handler = (uintptr_t)SIG_IGN });
	set_actions(t->core->tc, true, p);
	return 0;
}

const struct restore_kind sigactions_restore_kind = {
	.name = "task/sigactions",
	.load = sigactions_load,
	.task_state = sigactions_state,
	.task_late = sigactions_late,
};
