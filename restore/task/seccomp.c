/*
 * Seccomp: filters are installed oldest first, or strict mode is entered. Every thread is traced with
 * PTRACE_O_SUSPEND_SECCOMP, so what is still to be called is not filtered before it is let go.
 *
 * Where all threads have the same filters the leader installs them for all (TSYNC): then there is one of each in the
 * kernel, as there was. We write them for every thread; CRIU writes the leader's, marked so, and none for the others.
 */
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#include "images/image.h"
#include "images/task/seccomp.pb-c.h"
#include "restore/restore.h"

#ifndef SECCOMP_FILTER_FLAG_TSYNC_ESRCH
#define SECCOMP_FILTER_FLAG_TSYNC_ESRCH (1UL << 4)
#endif

/* Of seccomp(2): what concerns the filter itself, not who else gets it. */
#define FILTER_FLAGS (SECCOMP_FILTER_FLAG_LOG | SECCOMP_FILTER_FLAG_SPEC_ALLOW)

static bool filtered(const struct rthread *th)
{
	const ThreadCoreEntry *tc = th->core ? th->core->thread_core : NULL;

	return tc && tc->has_seccomp_mode && tc->seccomp_mode == SECCOMP_MODE__filter;
}

/* The filter that was installed first, or next; NULL behind the last. */
static const SeccompFilter *first(const struct rthread *th)
{
	return th->task->restore->seccomp->seccomp_filters[th->core->thread_core->seccomp_filter];
}

static const SeccompFilter *next(const struct rthread *th, const SeccompFilter *f)
{
	return f->has_prev ? th->task->restore->seccomp->seccomp_filters[f->prev] : NULL;
}

static int check_filter(const SeccompEntry *all, size_t i, struct err *e)
{
	const SeccompFilter *f = all->seccomp_filters[i];
	size_t size = f->filter.len;

	if (size == 0 || size % sizeof(struct sock_filter) ||
	    size / sizeof(struct sock_filter) > BPF_MAXINSNS)
		return err_say(e, "'seccomp.img' has a filter of %zu bytes", size);
	/* A chain goes from old to new, and newer ones come first in the file: so it has an end. */
	if (f->has_prev && f->prev >= i)
		return err_say(e, "'seccomp.img' has filter %zu followed by filter %u", i, f->prev);
	return 0;
}

static int check_thread(const struct rthread *th, struct err *e)
{
	const SeccompEntry *all = th->task->restore->seccomp;
	const ThreadCoreEntry *tc = th->core ? th->core->thread_core : NULL;

	if (th->core && th->core->tc && th->core->tc->has_old_seccomp_mode && tc &&
	    !tc->has_seccomp_mode && th->core->tc->old_seccomp_mode != SECCOMP_MODE__disabled)
		return err_say(e,
			       "'core-%d.img' has seccomp in an old layout that is not supported",
			       th->tid);
	if (!filtered(th))
		return 0;
	if (!tc->has_seccomp_filter || !all || tc->seccomp_filter >= all->n_seccomp_filters)
		return err_say(e, "'seccomp.img' does not have the filters of thread %d", th->tid);
	return 0;
}

static bool same_filters(const struct rthread *a, const struct rthread *b)
{
	const SeccompFilter *f, *g;

	if (!filtered(a) || !filtered(b))
		return false;
	for (f = first(a), g = first(b); f && g; f = next(a, f), g = next(b, g))
		if (f->flags != g->flags || f->filter.len != g->filter.len ||
		    memcmp(f->filter.data, g->filter.data, f->filter.len) != 0)
			return false;
	return !f && !g;
}

static bool marked_for_all(const struct rthread *leader)
{
	return filtered(leader) && first(leader)->flags & SECCOMP_FILTER_FLAG_TSYNC;
}

static int check_task(struct rtask *t, struct err *e)
{
	for (size_t k = 0; k < t->thread_count; k++)
		if (check_thread(&t->threads[k], e) < 0)
			return e->code;
	t->one_seccomp = t->thread_count > 1;
	for (size_t k = 1; k < t->thread_count && t->one_seccomp; k++)
		t->one_seccomp = filtered(&t->threads[k]) ?
					 same_filters(&t->threads[0], &t->threads[k]) :
					 marked_for_all(&t->threads[0]);
	return 0;
}

static int seccomp_load(struct restore *r, struct err *e)
{
	if (image_load(r->images, IMG_SECCOMP, 0, &r->seccomp, e) < 0) {
		if (e->code != -ENOENT)
			return e->code;
		*e = (struct err){ 0 };
	}
	for (size_t i = 0; r->seccomp && i < r->seccomp->n_seccomp_filters; i++)
		if (check_filter(r->seccomp, i, e) < 0)
			return e->code;
	for (size_t i = 0; i < r->task_count; i++)
		if (r->tasks[i]->core && check_task(r->tasks[i], e) < 0)
			return e->code;
	return 0;
}

static uint32_t seccomp_room(const struct rthread *th)
{
	uint32_t n = 0;

	if (!filtered(th))
		return 0;
	for (const SeccompFilter *f = first(th); f; f = next(th, f))
		n++;
	return n;
}

static void install(const SeccompFilter *f, unsigned int more_flags, struct plan *p)
{
	struct sock_fprog *program = plan_data(p, sizeof(*program));
	void *code = plan_copy(p, f->filter.data, f->filter.len);

	program->len = f->filter.len / sizeof(struct sock_filter);
	program->filter = (void *)arena_there(p->arena, code).at;
	plan_call(p, "install a seccomp filter", SYS_seccomp, ARG(SECCOMP_SET_MODE_FILTER),
		  ARG((f->flags & FILTER_FLAGS) | more_flags), DATA(p, program));
}

static int seccomp_last(struct rthread *th, struct plan *p, struct err *e)
{
	const ThreadCoreEntry *tc = th->core->thread_core;
	bool leader = th == &th->task->threads[0];
	unsigned int flags = 0;

	(void)e;
	if (tc->has_seccomp_mode && tc->seccomp_mode == SECCOMP_MODE__strict)
		plan_call(p, "enter strict seccomp mode", SYS_prctl, ARG(PR_SET_SECCOMP),
			  ARG(SECCOMP_MODE_STRICT));
	if (!filtered(th) || (th->task->one_seccomp && !leader))
		return 0;
	if (th->task->one_seccomp)
		flags = SECCOMP_FILTER_FLAG_TSYNC | SECCOMP_FILTER_FLAG_TSYNC_ESRCH;
	for (const SeccompFilter *f = first(th); f; f = next(th, f))
		install(f, flags, p);
	return 0;
}

const struct restore_kind seccomp_restore_kind = {
	.name = "task/seccomp",
	.load = seccomp_load,
	.room = seccomp_room,
	.thread_last = seccomp_last,
};
