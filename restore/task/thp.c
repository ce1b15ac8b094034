/* Whether the process wants no transparent huge pages. */
#include <sys/prctl.h>
#include <sys/syscall.h>

#include "restore/extra.h"

static int thp_state(struct rtask *t, struct plan *p, struct err *e)
{
	const ExtraEntry *x = t->threads[0].extra;
	uint64_t flags = x && x->has_thp_disable ? x->thp_disable & ~1U : 0;

	(void)e;
	if (t->mm->has_thp_disabled && t->mm->thp_disabled)
		plan_call(p, "switch huge pages off", SYS_prctl, ARG(PR_SET_THP_DISABLE), ARG(1),
			  ARG(flags));
	return 0;
}

const struct restore_kind thp_restore_kind = {
	.name = "task/thp",
	.task_state = thp_state,
};
