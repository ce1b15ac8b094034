/*
 * Parts of the extended processor state that a program may use only after it has asked for them (AMX tiles). Asking
 * is for the whole process and for good.
 */
#include <sys/syscall.h>

#include "dump/extra.h"
#include "dump/machine.h"

#define ARCH_GET_XCOMP_PERM 0x1022 /* newer than some headers */

struct note {
	int entry;
	uint64_t *mask; /* in the plan's data */
};

static int xfeatures_ask(struct task *t, struct plan *p, void **ret_note, struct err *e)
{
	struct note *n = pool_new(&t->dump->pool, struct note);

	(void)e;
	n->mask = plan_data(p, sizeof(*n->mask));
	n->entry = plan_try(p, "ask which processor state it may use", SYS_arch_prctl,
			    ARG(ARCH_GET_XCOMP_PERM), DATA(p, n->mask));
	*ret_note = n;
	return 0;
}

static int xfeatures_save(struct task *t, const struct plan *p, void *note, struct err *e)
{
	const struct xstate_layout *layout = &machine_of(t->dump)->xstate;
	const struct note *n = note;
	uint64_t asked = 0;

	(void)e;
	if (plan_result(p, n->entry) < 0)
		return 0; /* before 5.16 there was nothing to ask for */
	for (int i = 0; i < XSTATE_COMPONENTS; i++)
		if (layout->part[i].dynamic)
			asked |= *n->mask & 1ULL << i;
	if (asked) {
		thread_extra(&t->threads[0])->has_xfeatures = 1;
		thread_extra(&t->threads[0])->xfeatures = asked;
	}
	return 0;
}

const struct task_kind xfeatures_task_kind = {
	.name = "task/xfeatures",
	.ask = xfeatures_ask,
	.save = xfeatures_save,
};
