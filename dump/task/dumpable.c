/* Whether the process may leave a core and be looked at by its user. */
#include <sys/prctl.h>
#include <sys/syscall.h>

#include "dump/dump.h"

static int dumpable_ask(struct task *t, struct plan *p, void **note, struct err *e)
{
	int *entry = pool_new(&t->dump->pool, int);

	(void)e;
	*entry = plan_call(p, "ask whether it is dumpable", SYS_prctl, ARG(PR_GET_DUMPABLE));
	*note = entry;
	return 0;
}

static int dumpable_save(struct task *t, const struct plan *p, void *note, struct err *e)
{
	(void)e;
	t->mm->has_dumpable = 1;
	t->mm->dumpable = plan_result(p, *(int *)note);
	return 0;
}

const struct task_kind dumpable_task_kind = {
	.name = "task/dumpable",
	.ask = dumpable_ask,
	.save = dumpable_save,
};
