/*
 * Resource limits, set when nothing is needed any more that they could forbid, and while the right to raise them is
 * there. Only CAP_SYS_RESOURCE may go above one's own hard limits.
 */
#include <errno.h>
#include <linux/capability.h>
#include <sys/resource.h>
#include <sys/syscall.h>

#include "lib/caps.h"
#include "restore/restore.h"

static const char *const names[RLIM_NLIMITS] = {
	[RLIMIT_CPU] = "RLIMIT_CPU",	       [RLIMIT_FSIZE] = "RLIMIT_FSIZE",
	[RLIMIT_DATA] = "RLIMIT_DATA",	       [RLIMIT_STACK] = "RLIMIT_STACK",
	[RLIMIT_CORE] = "RLIMIT_CORE",	       [RLIMIT_RSS] = "RLIMIT_RSS",
	[RLIMIT_NPROC] = "RLIMIT_NPROC",       [RLIMIT_NOFILE] = "RLIMIT_NOFILE",
	[RLIMIT_MEMLOCK] = "RLIMIT_MEMLOCK",   [RLIMIT_AS] = "RLIMIT_AS",
	[RLIMIT_LOCKS] = "RLIMIT_LOCKS",       [RLIMIT_SIGPENDING] = "RLIMIT_SIGPENDING",
	[RLIMIT_MSGQUEUE] = "RLIMIT_MSGQUEUE", [RLIMIT_NICE] = "RLIMIT_NICE",
	[RLIMIT_RTPRIO] = "RLIMIT_RTPRIO",     [RLIMIT_RTTIME] = "RLIMIT_RTTIME",
};

static int check(const struct rtask *t, const TaskRlimitsEntry *limits, struct err *e)
{
	if (limits->n_rlimits > RLIM_NLIMITS)
		return err_say(e, "'core-%d.img' has %zu resource limits; this kernel has %d",
			       t->pid, limits->n_rlimits, RLIM_NLIMITS);
	if (caps_have(CAP_SYS_RESOURCE))
		return 0;
	for (size_t i = 0; i < limits->n_rlimits; i++) {
		struct rlimit64 own;

		if (getrlimit64(i, &own) < 0)
			return err_sys(e, "getrlimit(%s)", names[i]);
		if (limits->rlimits[i]->max <= own.rlim_max)
			continue;
		err_code(e, EPERM, "pid %d had a hard %s of %lu, and ours is %lu", t->pid, names[i],
			 limits->rlimits[i]->max, (unsigned long)own.rlim_max);
		return err_hint(e, "to raise it needs CAP_SYS_RESOURCE");
	}
	return 0;
}

static int rlimits_load(struct restore *r, struct err *e)
{
	for (size_t i = 0; i < r->task_count; i++) {
		const CoreEntry *core = r->tasks[i]->core;

		if (core && core->tc->rlimits && check(r->tasks[i], core->tc->rlimits, e) < 0)
			return e->code;
	}
	return 0;
}

static int rlimits_last(struct rtask *t, struct plan *p, struct err *e)
{
	const TaskRlimitsEntry *limits = t->core->tc->rlimits;

	(void)e;
	for (size_t i = 0; limits && i < limits->n_rlimits; i++) {
		struct rlimit64 *limit = plan_data(p, sizeof(*limit));

		limit->rlim_cur = limits->rlimits[i]->cur;
		limit->rlim_max = limits->rlimits[i]->max;
		plan_call(p, plan_words(p, "set %s", names[i]), SYS_prlimit64, ARG(0), ARG(i),
			  DATA(p, limit), ARG(0));
	}
	return 0;
}

const struct restore_kind rlimits_restore_kind = {
	.name = "task/rlimits",
	.load = rlimits_load,
	.task_last = rlimits_last,
};
