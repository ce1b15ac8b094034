/* What a process does on each signal. Only the process itself can be asked. */
#include <signal.h>
#include <sys/syscall.h>

#include "dump/dump.h"

enum { SIGNALS = 64 };

/* As rt_sigaction(2) of the kernel has it. */
struct kernel_action {
	uint64_t handler, flags, restorer, mask;
};

static bool fixed(int sig)
{
	return sig == SIGKILL || sig == SIGSTOP;
}

static int sigactions_ask(struct task *t, struct plan *p, void **note, struct err *e)
{
	struct kernel_action *all = plan_data(p, SIGNALS * sizeof(*all));

	(void)t, (void)e;
	for (int sig = 1; sig <= SIGNALS; sig++)
		if (!fixed(sig))
			plan_call(p, "ask for a signal handler", SYS_rt_sigaction, ARG(sig), ARG(0),
				  DATA(p, &all[sig - 1]), ARG(8));
	*note = all;
	return 0;
}

static int sigactions_save(struct task *t, const struct plan *p, void *note, struct err *e)
{
	TaskCoreEntry *tc = t->threads[0].core->tc;
	const struct kernel_action *all = note;
	SaEntry *entries = pool_array(&t->dump->pool, SaEntry, SIGNALS);

	(void)p, (void)e;
	tc->sigactions = pool_array(&t->dump->pool, SaEntry *, SIGNALS);
	for (int sig = 1; sig <= SIGNALS; sig++) {
		SaEntry *sa = &entries[sig - 1];

		if (fixed(sig))
			continue;
		sa_entry__init(sa);
		sa->sigaction = all[sig - 1].handler;
		sa->flags = all[sig - 1].flags;
		sa->restorer = all[sig - 1].restorer;
		sa->mask = all[sig - 1].mask;
		tc->sigactions[tc->n_sigactions++] = sa;
	}
	return 0;
}

const struct task_kind sigactions_task_kind = {
	.name = "task/sigactions",
	.ask = sigactions_ask,
	.save = sigactions_save,
};
