/* Parts of the extended processor state that a program may use only after it has asked for them (AMX tiles). */
#include <errno.h>
#include <sys/syscall.h>

#include "images/xstate.h"
#include "restore/extra.h"

#define ARCH_REQ_XCOMP_PERM 0x1023

static uint64_t asked(const struct rtask *t)
{
	const ExtraEntry *x = t->threads[0].extra;

	return x && x->has_xfeatures ? x->xfeatures : 0;
}

/* regs.c has read the layout by now. */
static int xfeatures_load(struct restore *r, struct err *e)
{
	for (size_t i = 0; i < r->task_count; i++)
		for (int n = 0; n < 64; n++)
			if (asked(r->tasks[i]) >> n & 1 &&
			    (n >= XSTATE_COMPONENTS || !r->xstate->part[n].dynamic))
				return err_code(e, ENOTSUP,
						"pid %d uses xstate component %d (AMX: 18), which "
						"this processor lacks",
						r->tasks[i]->pid, n);
	return 0;
}

static int xfeatures_state(struct rtask *t, struct plan *p, struct err *e)
{
	(void)e;
	for (int n = 0; n < XSTATE_COMPONENTS; n++)
		if (asked(t) >> n & 1)
			plan_call(p, plan_words(p, "ask to use xstate component %d", n),
				  SYS_arch_prctl, ARG(ARCH_REQ_XCOMP_PERM), ARG(n));
	return 0;
}

const struct restore_kind xfeatures_restore_kind = {
	.name = "task/xfeatures",
	.load = xfeatures_load,
	.task_state = xfeatures_state,
};
