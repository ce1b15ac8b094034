/* Settings of prctl(2) that are not the usual ones; which there are is in lib/prctls.c. */
#include <sys/syscall.h>

#include "lib/prctls.h"
#include "restore/extra.h"

static const struct prctl_setting *find(const PrctlEntry *entry)
{
	for (size_t i = 0; i < prctl_setting_count; i++) {
		const struct prctl_setting *s = &prctl_settings[i];

		if (s->set == (int)entry->option && s->has_which == entry->has_which &&
		    (!s->has_which || s->which == (int)entry->which))
			return s;
	}
	return NULL;
}

static int check(const struct rthread *th, struct err *e)
{
	for (size_t i = 0; th->extra && i < th->extra->n_prctls; i++)
		if (!find(th->extra->prctls[i]))
			return err_say(e,
				       "thread %d has a setting prctl(%u) that this program does "
				       "not know",
				       th->tid, th->extra->prctls[i]->option);
	return 0;
}

static int prctls_load(struct restore *r, struct err *e)
{
	for (size_t i = 0; i < r->task_count; i++)
		for (size_t k = 0; k < r->tasks[i]->thread_count; k++)
			if (check(&r->tasks[i]->threads[k], e) < 0)
				return e->code;
	return 0;
}

static void set(const struct prctl_setting *s, uint64_t value, struct plan *p)
{
	const char *words = plan_words(p, "set %s", s->name);

	if (s->speculates) /* a processor that cannot go wrong there has nothing to set */
		plan_try(p, words, SYS_prctl, ARG(s->set), ARG(s->which), ARG(value));
	else if (s->has_which)
		plan_call(p, words, SYS_prctl, ARG(s->set), ARG(s->which), ARG(value));
	else
		plan_call(p, words, SYS_prctl, ARG(s->set), ARG(value));
}

static int prctls_last(struct rthread *th, struct plan *p, struct err *e)
{
	(void)e;
	for (size_t i = 0; th->extra && i < th->extra->n_prctls; i++)
		set(find(th->extra->prctls[i]), th->extra->prctls[i]->value, p);
	return 0;
}

const struct restore_kind prctls_restore_kind = {
	.name = "task/prctls",
	.load = prctls_load,
	.thread_last = prctls_last,
};
