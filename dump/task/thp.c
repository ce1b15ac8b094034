/* Whether the process wants no transparent huge pages (PR_SET_THP_DISABLE). */
#include <sys/prctl.h>
#include <sys/syscall.h>

#include "dump/extra.h"

static int thp_ask(struct task *t, struct plan *p, void **note, struct err *e)
{
	int *entry = pool_new(&t->dump->pool, int);

	(void)e;
	*entry = plan_try(p, "ask for the huge page flag", SYS_prctl, ARG(PR_GET_THP_DISABLE));
	*note = entry;
	return 0;
}

static int thp_save(struct task *t, const struct plan *p, void *note, struct err *e)
{
	long value = plan_result(p, *(int *)note);

	(void)e;
	if (value < 0) /* a kernel without them */
		return 0;
	t->mm->has_thp_disabled = 1;
	t->mm->thp_disabled = value != 0;
	/* Since 6.18 there are exceptions, which a flag cannot say. */
	if (value > 1) {
		thread_extra(&t->threads[0])->has_thp_disable = 1;
		thread_extra(&t->threads[0])->thp_disable = value;
	}
	return 0;
}

const struct task_kind thp_task_kind = {
	.name = "task/thp",
	.ask = thp_ask,
	.save = thp_save,
};
