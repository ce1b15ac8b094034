/* Userfaultfds of tasks; see uffd.h. */
#include "restore/uffd.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "lib/log.h"
#include "restore/ns.h"
#include "restore/run.h"

enum { AT_ONCE = 64 };

/* What is asked of each of some tasks: one with these flags; NULL: that it closes what it has made. */
struct request {
	const int *flags;
	int device; /* ours; -1: the system call does it */
};

/* The entry that makes it. In a user namespace of its own nobody has a right to the system call, but whoever has the device has. */
static int plan_one(const struct task_uffd *u, struct plan *p, const struct request *q)
{
	int made;

	if (!q->flags)
		return plan_call(p, "close the userfaultfd", SYS_close, ARG(u->there));
	if (q->device < 0)
		return plan_try(p, "make a userfaultfd", SYS_userfaultfd, ARG(*q->flags));
	made = plan_call(p, "fetch the device of userfaultfd", SYS_pidfd_getfd,
			 ARG(u->t->helper_fd), ARG(q->device), ARG(0));
	plan_try(p, "make a userfaultfd", SYS_ioctl, RESULT(made), ARG(USERFAULTFD_IOC_NEW),
		 ARG(*q->flags));
	plan_call(p, "close the device of userfaultfd", SYS_close, RESULT(made));
	return made + 1;
}

static int call_all(struct restore *r, struct task_uffd *a, size_t count, const struct request *q,
		    struct err *e)
{
	size_t used = r->arena.used, n = 0;
	struct plan plans[AT_ONCE];
	struct err later = { 0 };
	int res = 0, entry = 0;

	for (; n < count && res == 0; n++) {
		res = plan_begin(&plans[n], &r->arena, 3, e);
		if (res == 0 && (q->flags || a[n].there >= 0)) {
			entry = plan_one(&a[n], &plans[n], q);
			res = run_start(r, rtask_here(a[n].t), &plans[n], "userfaultfd", e);
		}
	}
	if (run_wait(r, res < 0 ? &later : e) < 0 && res == 0)
		res = e->code;
	for (size_t i = 0; i < n; i++) {
		if (q->flags && res == 0 && !r->opt->dry_run)
			a[i].there = plan_result(&plans[i], entry);
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
	own_fd device = rns_is_own(r, NS_USER) ? open("/dev/userfaultfd", O_RDWR | O_CLOEXEC) : -1;
	struct request make = { &flags, device }, end = { NULL, -1 };

	if (call_all(r, a, count, &make, e) < 0 || r->opt->dry_run)
		return e->code;
	for (size_t i = 0; i < count; i++)
		if (fetch(&a[i], e) < 0)
			return e->code;
	return call_all(r, a, count, &end, e);
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
