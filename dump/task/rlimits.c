/* Resource limits of a process. It is asked itself: prlimit(2) from outside needs CAP_SYS_RESOURCE for other users'. */
#include <sys/resource.h>
#include <sys/syscall.h>

#include "dump/dump.h"

static int rlimits_ask(struct task *t, struct plan *p, void **note, struct err *e)
{
	struct rlimit64 *all = plan_data(p, RLIM_NLIMITS * sizeof(*all));

	(void)t, (void)e;
	for (int which = 0; which < RLIM_NLIMITS; which++)
		plan_call(p, "ask for a resource limit", SYS_prlimit64, ARG(0), ARG(which), ARG(0),
			  DATA(p, &all[which]));
	*note = all;
	return 0;
}

static int rlimits_save(struct task *t, const struct plan *p, void *note, struct err *e)
{
	TaskRlimitsEntry *limits = pool_new(&t->dump->pool, TaskRlimitsEntry);
	const struct rlimit64 *all = note;

	(void)p, (void)e;
	task_rlimits_entry__init(limits);
	limits->rlimits = pool_array(&t->dump->pool, RlimitEntry *, RLIM_NLIMITS);
	for (int which = 0; which < RLIM_NLIMITS; which++) {
		RlimitEntry *entry = pool_new(&t->dump->pool, RlimitEntry);

		rlimit_entry__init(entry);
		entry->cur = all[which].rlim_cur;
		entry->max = all[which].rlim_max;
		limits->rlimits[limits->n_rlimits++] = entry;
	}
	t->threads[0].core->tc->rlimits = limits;
	return 0;
}

const struct task_kind rlimits_task_kind = {
	.name = "task/rlimits",
	.ask = rlimits_ask,
	.save = rlimits_save,
};
