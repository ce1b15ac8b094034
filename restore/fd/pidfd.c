/*
 * pidfds: opened when the process, or the thread, is there. One that was gone is stood in for by a process that
 * ends the way it did, once all its pidfds are open.
 */
#include "images/fd/pidfd.pb-c.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "restore/files_table.h"
#include "restore/ns.h"
#include "restore/watch.h"

static enum made_when pidfd_when(const struct restore *r, const FileEntry *f)
{
	if (f->pidfd->nspid < 0)
		return MADE_FIRST;
	return rfiles_when_pid(r, f->pidfd->nspid);
}

static int open_one(int pid, const PidfdEntry *p, int *ret_fd, struct err *e)
{
	int fd = syscall(SYS_pidfd_open, pid, p->flags & (O_NONBLOCK | O_EXCL));

	if (fd < 0) {
		err_sys(e, "pidfd_open(%d)", p->nspid);
		return e->code == -EINVAL ?
			       err_hint(e, "pidfds of threads need Linux 6.9 or newer") :
			       e->code;
	}
	*ret_fd = fd;
	return 0;
}

/* --- of the dead ------------------------------------------------------------------------------ */

_Noreturn static void end_as(int word, unsigned int status)
{
	struct rlimit none = { 0, 0 };
	sigset_t all;
	char c;

	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, NULL);
	if (read(word, &c, 1) == 1 && WIFSIGNALED(status)) {
		setrlimit(RLIMIT_CORE, &none);
		prctl(PR_SET_DUMPABLE, 0);
		signal(WTERMSIG(status), SIG_DFL);
		kill(getpid(), WTERMSIG(status));
		sigemptyset(&all);
		sigprocmask(SIG_SETMASK, &all, NULL);
	}
	_exit(WEXITSTATUS(status));
}

static bool is_same(const struct rfile *f, const PidfdEntry *p)
{
	return f->entry->type == FD_TYPES__PIDFD && f->fd < 0 && f->entry->pidfd->nspid < 0 &&
	       f->entry->pidfd->ino == p->ino;
}

/* All that are of this process, and the one that is asked for. */
static int open_all(struct restore *r, const PidfdEntry *p, int pid, int *ret_fd, struct err *e)
{
	for (size_t i = 0; i < r->files->count; i++) {
		struct rfile *f = &r->files->files[i];
		bool asked = f->id == p->id;

		if (is_same(f, p) && open_one(pid, f->entry->pidfd, asked ? ret_fd : &f->fd, e) < 0)
			return e->code;
	}
	return 0;
}

static int make_dead(struct restore *r, const PidfdEntry *p, int *ret_fd, struct err *e)
{
	const FileExtraEntry *x = rfiles_extra(r, p->id);
	unsigned int status = x ? x->status : 0;
	int word[2], res;
	pid_t pid;

	if (pipe2(word, O_CLOEXEC) < 0)
		return err_sys(e, "make a pipe");
	own_fd from = word[0];
	own_fd to = word[1];
	pid = fork();
	if (pid < 0)
		return err_sys(e, "fork");
	if (pid == 0) {
		close(to);
		end_as(from, status);
	}
	res = open_all(r, p, pid, ret_fd, e);
	if (write(to, "", 1) != 1)
		kill(pid, SIGKILL);
	while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		;
	return res;
}

static int pidfd_make(struct restore *r, const FileEntry *f, int *ret_fd, struct err *e)
{
	const PidfdEntry *p = f->pidfd;

	if (p->nspid < 0)
		return make_dead(r, p, ret_fd, e);
	if (rfiles_when_pid(r, p->nspid) == MADE_FIRST)
		return err_say(e, "it is of pid %d, which is not in the images", p->nspid);
	return open_one(rfiles_here(r, p->nspid), p, ret_fd, e);
}

const struct fd_restore_kind pidfd_fd_restore_kind = {
	.name = "fd/pidfd",
	.type = FD_TYPES__PIDFD,
	.when = pidfd_when,
	.make = pidfd_make,
};
