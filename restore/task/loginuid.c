/*
 * The user who logged in, as the audit system has it; images have one for all threads of a process. Only a thread itself may change
 * its own, and from a certain one to another only with CAP_AUDIT_CONTROL. Where that is refused it stays ours.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "lib/io.h"
#include "lib/log.h"
#include "restore/restore.h"

/* Some kernels have none. */
static int loginuid_now(int pid, bool *ret_has, uint32_t *ret, struct err *e)
{
	char path[48];
	own_mem char *now = NULL;

	snprintf(path, sizeof(path), "/proc/%d/loginuid", pid);
	*ret_has = io_slurp(AT_FDCWD, path, &now, NULL, e) >= 0;
	if (*ret_has)
		*ret = strtoul(now, NULL, 10);
	else if (e->code != -ENOENT)
		return e->code;
	else
		*e = (struct err){ 0 };
	return 0;
}

static int loginuid_state(struct rthread *th, struct plan *p, struct err *e)
{
	const TaskCoreEntry *tc = th->task->core->tc;
	static const char path[] = "/proc/thread-self/loginuid";
	uint32_t now = 0;
	bool has;
	char text[16];
	int fd;

	if (!tc->has_loginuid)
		return 0;
	/* All are born with ours. */
	if (loginuid_now(getpid(), &has, &now, e) < 0)
		return e->code;
	if (!has || now == tc->loginuid)
		return 0;
	snprintf(text, sizeof(text), "%u", tc->loginuid);
	fd = plan_try(p, "open its loginuid", SYS_openat, ARG(AT_FDCWD),
		      DATA(p, plan_copy(p, path, sizeof(path))), ARG(O_WRONLY | O_CLOEXEC));
	plan_try(p, "set its loginuid", SYS_write, RESULT(fd),
		 DATA(p, plan_copy(p, text, sizeof(text))), ARG(strlen(text)));
	plan_try(p, "close its loginuid", SYS_close, RESULT(fd));
	return 0;
}

static int loginuid_outside(struct rtask *t, struct err *e)
{
	const TaskCoreEntry *tc = t->core->tc;
	uint32_t now = 0;
	bool has;

	if (!tc->has_loginuid)
		return 0;
	if (loginuid_now(rtask_here(t), &has, &now, e) < 0)
		return e->code;
	if (has && now != tc->loginuid)
		log_warn(
			"pid %d: its loginuid was %u and becomes %u, as this needs CAP_AUDIT_CONTROL",
			t->pid, tc->loginuid, now);
	return 0;
}

const struct restore_kind loginuid_restore_kind = {
	.name = "task/loginuid",
	.thread_state = loginuid_state,
	.outside = loginuid_outside,
};
