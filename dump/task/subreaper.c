/* Whether orphans below the process become its children. */
#include <sys/prctl.h>
#include <sys/syscall.h>

#include "dump/dump.h"

static int subreaper_ask(struct task *t, struct plan *p, void **note, struct err *e)
{
	int *on = plan_data(p, sizeof(*on));

	(void)t, (void)e;
	plan_call(p, "ask whether it is a child subreaper", SYS_prctl, ARG(PR_GET_CHILD_SUBREAPER),
		  DATA(p, on));
	*note = on;
	return 0;
}

static int subreaper_save(struct task *t, const struct plan *p, void *note, struct err *e)
{
	TaskCoreEntry *tc = t->threads[0].core->tc;

	(void)p, (void)e;
	tc->has_child_subreaper = 1;
	tc->child_subreaper = *(int *)note != 0;
	return 0;
}

const struct task_kind subreaper_task_kind = {
	.name = "task/subreaper",
	.ask = subreaper_ask,
	.save = subreaper_save,
};
