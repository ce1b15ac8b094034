/* Userfaultfds of tasks; see uffd.h. */
#include "restore/uffd.h"

#include <errno.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "lib/log.h"
#include "restore/run.h"

enum { AT_ONCE = 64 };

static void plan_one(const struct task_uffd *u, struct plan *p, const int *flags)
{
	if (flags)
		plan_try(p, "make a userfaultfd", SYS_userfaultfd, ARG(*flags));
	else
		plan_call(p, "close the userfaultfd", SYS_close, ARG(u->there));
}

/* One call in each of the tasks: with flags they make one, NULL: they close it. */
static int call_all(struct restore *r, struct task_uffd *a, size_t count, const int *flags,
		    struct err *e)
{
	size_t used = r->arena.used, n = 0;
	struct plan plans[AT_ONCE];
	struct err later = { 0 };
	int res = 0;

	for (; n < count && res == 0; n++) {
		res = plan_begin(&plans[n], &r->arena, 1, e);
		if (res == 0 && (flags || a[n].there >= 0)) {
			plan_one(&a[n], &plans[n], flags);
			res = run_start(r, rtask_here(a[n].t), &plans[n], "userfaultfd", e);
		}
	}
	if (run_wait(r, res < 0 ? &later : e) < 0 && res == 0)
		res = e->code;
	for (size_t i = 0; i < n; i++) {
		if (flags && res == 0 && !r->opt->dry_run)
			a[i].there = plan_result(&plans[i], 0);
		plan_end(&plans[i]);
	}
	r->arena.used = used;
	return res;
}

static int fetch(struct task_uffd *u, struct err *e)
{
	own_fd process = -1;

	if (u->there < 0) {
		log_debug("pid %d: no userfaultfd: %s", u->t->pid, strerror(-u->there));
		return 0;
	}
	process = syscall(SYS_pidfd_open, rtask_here(u->t), 0);
	u->fd = process < 0 ? -1 : syscall(SYS_pidfd_getfd, process, u->there, 0);
	return u->fd < 0 ? err_sys(e, "fetch the userfaultfd of pid %d", u->t->pid) : 0;
}

static int make_some(struct restore *r, struct task_uffd *a, size_t count, int flags, struct err *e)
{
	if (call_all(r, a, count, &flags, e) < 0 || r->opt->dry_run)
		return e->code;
	for (size_t i = 0; i < count; i++)
		if (fetch(&a[i], e) < 0)
			return e->code;
	return call_all(r, a, count, NULL, e);
}

int ruffd_make(struct restore *r, struct task_uffd *all, size_t count, int flags, struct err *e)
{
	for (size_t i = 0; i < count; i++)
		all[i].there = all[i].fd = -1;
	for (size_t i = 0; i < count; i += AT_ONCE)
		if (make_some(r, all + i, count - i < AT_ONCE ? count - i : AT_ONCE, flags, e) < 0)
			return e->code;
	return 0;
}
