/* Processes that do one call and leave; see actor.h. Between clone3 and the end only system calls are made. */
#include "restore/actor.h"

#include <errno.h>
#include <grp.h>
#include <linux/sched.h>
#include <linux/securebits.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static pid_t start(int number)
{
	struct clone_args args = { .flags = CLONE_FILES, .exit_signal = SIGCHLD };
	pid_t tid = number;

	if (number) {
		args.set_tid = (uintptr_t)&tid;
		args.set_tid_size = 1;
	}
	return syscall(SYS_clone3, &args, sizeof(args));
}

/* With all capabilities kept: only the names are changed, not what is allowed. */
static int take_ids(const struct actor *a)
{
	if (prctl(PR_SET_SECUREBITS, SECBIT_NO_SETUID_FIXUP) < 0 && a->uid)
		return -errno;
	if (syscall(SYS_setgroups, a->group_count, a->groups) < 0 ||
	    syscall(SYS_setresgid, a->gid, a->gid, a->gid) < 0 ||
	    syscall(SYS_setresuid, a->uid, a->uid, a->uid) < 0)
		return -errno;
	return 0;
}

static int go_there(const struct actor *a)
{
	if (a->root >= 0 && (fchdir(a->root) < 0 || chroot(".") < 0))
		return -errno;
	return a->dir && chdir(a->dir) < 0 ? -errno : 0;
}

static int act_as(const struct actor *a, int (*act)(void *arg), void *arg)
{
	int res = go_there(a);

	if (res == 0 && a->has_ids)
		res = take_ids(a);
	umask(0);
	return res < 0 ? res : act(arg);
}

int actor_do(const struct actor *a, int (*act)(void *arg), void *arg, bool *ret_other)
{
	pid_t pid = start(a->pid);
	int status;

	/* Somebody has the number, or nobody can have it here. */
	if (pid < 0 && a->pid) {
		pid = start(0);
		if (pid > 0 && ret_other)
			*ret_other = true;
	}
	if (pid < 0)
		return -errno;
	if (pid == 0)
		_exit(-act_as(a, act, arg));
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			return -errno;
	return WIFEXITED(status) ? -WEXITSTATUS(status) : -ECHILD;
}
