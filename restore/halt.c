/*
 * Tasks that are to stand still when they are let go. A stop is a signal, and the kernel takes those that wait in the
 * order of their numbers: one that ends the task would come before it. So the first thread takes the signal here, with
 * all others blocked, and that stops the process: it stays so when the thread gets its own mask again, and when it is
 * let go.
 */
#include "restore/halt.h"

#include <errno.h>
#include <signal.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "lib/ptrace.h"
#include "restore/traps.h"

static uint64_t all_but(int sig)
{
	return ~(1ULL << (SIGKILL - 1) | 1ULL << (SIGSTOP - 1) | 1ULL << (sig - 1));
}

/* What it was stopped by; 0: it is to run. A signal that has a handler by now would not stop it any more. */
static int halts_by(const struct rtask *t)
{
	const TaskCoreEntry *tc = t->core->tc;
	const SaEntry *sa;

	if (t->state != 3)
		return t->restore->opt->leave_stopped ? SIGSTOP : 0;
	if (!tc->has_stop_signo || tc->stop_signo == SIGSTOP)
		return SIGSTOP;
	sa = action_of(t->core, tc->stop_signo);
	return sa && sa->sigaction ? SIGSTOP : (int)tc->stop_signo;
}

static int go_until(int tid, int sig, enum stop_kind want, struct stop *ret, struct err *e)
{
	char text[64];

	if (tracee_go(tid, PTRACE_CONT, sig, e) < 0 || tracee_await(tid, ret, e) < 0)
		return e->code;
	if (ret->kind == want || (want == STOP_GROUP && ret->kind == STOP_INTERRUPT))
		return 0;
	return err_code(e, ESRCH, "thread %d %s when it was to stop", tid,
			stop_text(*ret, text, sizeof(text)));
}

/* Where nobody could wake it up again (an orphaned process group), the kernel heeds nothing but SIGSTOP. */
static int take_signal(struct rtask *t, int sig, struct err *e)
{
	struct stop s;

	if (tracee_set_mask(rtask_here(t), all_but(sig), e) < 0)
		return e->code;
	if (syscall(SYS_tgkill, rtask_here(t), rtask_here(t), sig) < 0)
		return err_sys(e, "stop pid %d", t->pid);
	/* Interrupted: so that it does not run if the signal is not heeded. */
	if (go_until(rtask_here(t), 0, STOP_SIGNAL, &s, e) < 0 ||
	    tracee_interrupt(rtask_here(t), e) < 0 ||
	    go_until(rtask_here(t), s.value, STOP_GROUP, &s, e) < 0)
		return e->code;
	if (s.kind == STOP_GROUP)
		return 0;
	return sig == SIGSTOP ? err_say(e, "pid %d does not stop", t->pid) :
				take_signal(t, SIGSTOP, e);
}

static int halt(struct rtask *t, int sig, struct err *e)
{
	struct stop s;
	uint64_t mask;

	if (tracee_get_mask(rtask_here(t), &mask, e) < 0 || take_signal(t, sig, e) < 0 ||
	    tracee_set_mask(rtask_here(t), mask, e) < 0)
		return e->code;
	for (size_t k = 1; k < t->thread_count; k++)
		if (go_until(t->threads[k].here, 0, STOP_GROUP, &s, e) < 0)
			return e->code;
	return 0;
}

int halt_tasks(struct restore *r, struct err *e)
{
	for (size_t i = 0; i < r->task_count; i++) {
		struct rtask *t = r->tasks[i];
		int sig = t->helper || t->state == 2 ? 0 : halts_by(t);

		if (sig && halt(t, sig, e) < 0)
			return err_on(e, "pid %d", t->pid);
	}
	return 0;
}
