/* Settings of prctl(2) that are not the usual ones; which there are is in lib/prctls.c. */
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#include "dump/extra.h"
#include "lib/prctls.h"

struct note {
	int entry;
	uint32_t *value; /* in the plan's data, NULL: it is the result */
};

static void ask(struct note *n, const struct prctl_setting *s, struct plan *p)
{
	if (s->into) {
		n->value = plan_data(p, sizeof(*n->value));
		n->entry = plan_try(p, s->name, SYS_prctl, ARG(s->get), DATA(p, n->value));
	} else {
		n->entry = plan_try(p, s->name, SYS_prctl, ARG(s->get),
				    ARG(s->speculates ? s->which : 0));
	}
}

static struct note *ask_all(struct pool *pool, bool process, struct plan *p)
{
	struct note *notes = pool_array(pool, struct note, prctl_setting_count);

	for (size_t i = 0; i < prctl_setting_count; i++)
		if (prctl_settings[i].process == process)
			ask(&notes[i], &prctl_settings[i], p);
	return notes;
}

static void add(struct thread *th, const struct prctl_setting *s, uint64_t value)
{
	struct pool *pool = &th->task->dump->pool;
	ExtraEntry *x = thread_extra(th);
	PrctlEntry **all = pool_array(pool, PrctlEntry *, x->n_prctls + 1);

	if (x->n_prctls)
		memcpy(all, x->prctls, x->n_prctls * sizeof(*all));
	all[x->n_prctls] = pool_new(pool, PrctlEntry);
	prctl_entry__init(all[x->n_prctls]);
	all[x->n_prctls]->option = s->set;
	all[x->n_prctls]->has_which = s->has_which;
	all[x->n_prctls]->which = s->has_which ? s->which : 0;
	all[x->n_prctls]->value = value;
	x->n_prctls++;
	x->prctls = all;
}

static void save_all(struct thread *th, bool process, const struct note *notes,
		     const struct plan *p)
{
	for (size_t i = 0; i < prctl_setting_count; i++) {
		const struct prctl_setting *s = &prctl_settings[i];
		long result;
		uint64_t value;

		if (s->process != process)
			continue;
		result = plan_result(p, notes[i].entry);
		if (result < 0)
			continue; /* this kernel or processor does not have it */
		value = s->into ? *notes[i].value : (uint64_t)result;
		if (s->speculates && !(value & PR_SPEC_PRCTL))
			continue; /* not up to the thread */
		if (s->speculates)
			value &= ~(uint64_t)PR_SPEC_PRCTL;
		if (value != s->usual)
			add(th, s, value);
	}
}

static int prctls_ask(struct task *t, struct plan *p, void **note, struct err *e)
{
	(void)e;
	*note = ask_all(&t->dump->pool, true, p);
	return 0;
}

static int prctls_save(struct task *t, const struct plan *p, void *note, struct err *e)
{
	(void)e;
	save_all(&t->threads[0], true, note, p);
	return 0;
}

static int prctls_thread_ask(struct thread *th, struct plan *p, void **note, struct err *e)
{
	(void)e;
	*note = ask_all(&th->task->dump->pool, false, p);
	return 0;
}

static int prctls_thread_save(struct thread *th, const struct plan *p, void *note, struct err *e)
{
	(void)e;
	save_all(th, false, note, p);
	return 0;
}

const struct task_kind prctls_task_kind = {
	.name = "task/prctls",
	.ask = prctls_ask,
	.save = prctls_save,
	.thread_ask = prctls_thread_ask,
	.thread_save = prctls_thread_save,
};
