/* Whether orphans below the process become its children. Late: helpers and zombies have found their parents. */
#include <sys/prctl.h>
#include <sys/syscall.h>

#include "restore/restore.h"

static int subreaper_last(struct rtask *t, struct plan *p, struct err *e)
{
	const TaskCoreEntry *tc = t->core->tc;

	(void)e;
	if (tc->has_child_subreaper && tc->child_subreaper)
		plan_call(p, "become a child subreaper", SYS_prctl, ARG(PR_SET_CHILD_SUBREAPER),
			  ARG(1));
	return 0;
}

const struct restore_kind subreaper_restore_kind = {
	.name = "task/subreaper",
	.task_last = subreaper_last,
};
