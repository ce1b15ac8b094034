/*
 * Giving the tree away; see give.h.
 *
 * From the moment on that the other side may have it, ours must not run, even if all of us are killed. A tracee runs
 * when its tracer is gone; so each task has a SIGSTOP waiting, which it would take then before anything else.
 */
#include "dump/give.h"

#include <errno.h>
#include <signal.h>

#include "dump/guard.h"
#include "dump/network.h"
#include "lib/handover.h"

int give_doubt(struct err *e)
{
	return err_code(e, EINPROGRESS, "it is not known who has the tree; it stands still here");
}

static int asked(void *guard, struct err *e)
{
	return guard_check(guard, e);
}

/* Those that would run. */
static void signal_all(struct dump *d, int sig)
{
	for (size_t i = 0; i < d->task_count; i++)
		if (d->tasks[i]->state == TASK_ALIVE)
			kill(d->tasks[i]->pid, sig);
}

static const struct handover_tree *describe(struct dump *d)
{
	struct handover_task *all = pool_array(&d->pool, struct handover_task, d->task_count);
	struct handover_tree *tree = pool_new(&d->pool, struct handover_tree);

	for (size_t i = 0; i < d->task_count; i++) {
		const struct task *t = d->tasks[i];

		if (t->state != TASK_DEAD)
			all[tree->count++] = (struct handover_task){ t->pid, t->stat.start_time,
								     t->state == TASK_STOPPED };
	}
	tree->tasks = all;
	tree->lock = network_is_blocked(d) ? pool_format(&d->pool, "CRIU-%s", d->name) : NULL;
	return tree;
}

void give_hold(struct dump *d)
{
	if (d->is_stopping)
		return;
	guard_give(d->guard);
	signal_all(d, SIGSTOP);
	d->is_stopping = true;
}

int give_tree(struct dump *d, struct err *e)
{
	const struct handover *h = d->opt->handover;
	enum handover_owner owner = OWNER_HERE;

	if (!h)
		return 0;
	if (h->sent(h->arg, asked, d->guard, e) < 0)
		return e->code;
	if (h->give(h->arg, describe(d), e) < 0)
		return e->code;
	give_hold(d);
	if (h->commit(h->arg, &owner, e) < 0 || owner == OWNER_HERE) {
		guard_keep(d->guard);
		return e->code ? e->code : err_say(e, "the other side did not take it");
	}
	d->in_doubt = owner == OWNER_UNKNOWN;
	return 0;
}

/* What waits to stop it is taken away by this, too. */
void give_undo(struct dump *d)
{
	if (d->is_stopping)
		signal_all(d, SIGCONT);
}
