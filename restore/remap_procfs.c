/*
 * Files below /proc of processes and threads that were gone when they were dumped (REMAP_TYPE__PROCFS): opened while somebody has
 * that number for a moment, before the tree is there, which may need it too.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "restore/remaps.h"

static long clone_as(uint64_t flags, int signal, pid_t number)
{
	struct clone_args args = {
		.flags = flags,
		.exit_signal = signal,
		.set_tid = (uintptr_t)&number,
		.set_tid_size = 1,
	};

	return syscall(SYS_clone3, &args, sizeof(args));
}

/* Tells how it went, and stays until it is killed. tid: that of a thread, 0: none. */
_Noreturn static void stand_in(int tell, pid_t tid)
{
	char went = 0;
	long got = 0;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	/* The thread has our stack, so we stand still as long as it is there (CLONE_VFORK). */
	if (tid)
		got = clone_as(CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD |
				       CLONE_SYSVSEM | CLONE_VFORK,
			       0, tid);
	if (got < 0)
		went = 1;
	(void)!write(tell, &went, 1);
	for (;;)
		pause();
}

static int open_file(struct restore *r, struct rfile *f, struct err *e)
{
	const RegFileEntry *reg = f->entry->reg;
	int flags = rfiles_open_flags(reg->flags);
	int fd = rfiles_path_open(r, reg->name, O_PATH);

	if (fd < 0)
		return err_res(e, fd, "open '%s'", reg->name);
	f->path_fd = fd;
	if (!f->owner && !f->sent)
		return 0;
	fd = rfiles_path_open(r, reg->name, flags);
	if (fd < 0)
		return err_res(e, fd, "open '%s'", reg->name);
	f->fd = fd;
	return 0;
}

static int refuse(const struct rfile *f, int pid, struct err *e)
{
	if (errno != EEXIST)
		return err_sys(e, "'%s': create process %d", f->entry->reg->name, pid);
	err_code(
		e, EEXIST,
		"'%s' is of a process that was gone when it was dumped, and its number is in use by "
		"pid %d",
		f->entry->reg->name, pid);
	return err_hint(e, "try again when that is gone, too");
}

int procfs_make(struct restore *r, struct rfile *f, int pid, struct err *e)
{
	int tid = 0, of = 0, ends[2], res;
	char went = 1;
	long got;

	if (f->fd >= 0)
		return 0;
	if (sscanf(f->entry->reg->name, "/proc/%d/task/%d", &of, &tid) != 2 || tid == pid)
		tid = 0;
	if (pipe2(ends, O_CLOEXEC) < 0)
		return err_sys(e, "make a pipe");
	own_fd from = ends[0];
	own_fd to = ends[1];
	got = clone_as(0, SIGCHLD, pid);
	if (got < 0)
		return refuse(f, pid, e);
	if (got == 0) {
		close(from);
		stand_in(to, tid);
	}
	own_close(&to);
	to = -1;
	if (read(from, &went, 1) != 1 || went)
		res = err_say(e, "'%s': create thread %d of pid %d for it", f->entry->reg->name,
			      tid, pid);
	else
		res = open_file(r, f, e);
	kill(pid, SIGKILL);
	while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		;
	return res;
}
