/*
 * Scripts and clients hear of new namespaces when these are made and empty ("setup-namespaces"), and again when all that the images have
 * is in them ("post-setup-namespaces"). They are told a process that lives there, whose /proc/PID/ns they look at: the tree
 * is not there yet, so somebody has the number of its root for as long as that takes.
 */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <linux/sched.h>

#include "lib/proc.h"
#include "lib/scripts.h"
#include "restore/ns.h"

static void stand_in(const struct restore *r, int parent, int ready)
{
	sigset_t none;

	sigemptyset(&none);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (rns_enter(r) < 0 || getppid() != parent || write(ready, "", 1) != 1)
		_exit(1);
	/* Nothing but its number and its namespaces is of any use: not the pipes of whoever has started us. */
	close_range(0, ~0U, 0);
	for (;;)
		sigsuspend(&none);
}

/* In a pid namespace of its own the root is number 1, which only one process can have; so this one lives outside of it. */
static long clone_stand_in(const struct restore *r)
{
	pid_t want = r->tasks[0]->pid;
	struct clone_args args = { .exit_signal = SIGCHLD };

	if (!rns_is_own(r, NS_PID)) {
		args.set_tid = (uintptr_t)&want;
		args.set_tid_size = 1;
	}
	return syscall(SYS_clone3, &args, sizeof(args));
}

static int begin(const struct restore *r, int *ret_pid, struct err *e)
{
	int parent = getpid(), ends[2];
	char name[64], c;
	long pid;

	if (pipe2(ends, O_CLOEXEC) < 0)
		return err_sys(e, "make a pipe");
	own_fd hear = ends[0];
	own_fd tell = ends[1];
	pid = clone_stand_in(r);
	if (pid == 0)
		stand_in(r, parent, tell);
	if (pid < 0 && errno == EEXIST)
		return err_code(e, EEXIST, "pid %d is in use by %s", r->tasks[0]->pid,
				proc_name(r->tasks[0]->pid, name, sizeof(name)));
	if (pid < 0)
		return err_sys(e, "make a process in the new namespaces");
	*ret_pid = (int)pid;
	own_close(&tell);
	tell = -1;
	return read(hear, &c, 1) == 1 ? 0 :
					err_say(e, "a process could not enter the new namespaces");
}

static void end(int pid)
{
	if (pid <= 0)
		return;
	kill(pid, SIGKILL);
	while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		;
}

static bool has_own(const struct restore *r)
{
	for (enum ns k = 0; k < NS_COUNT; k++)
		if (r->ns->id[k] || r->ns->fd[k] >= 0)
			return true;
	return false;
}

int rns_tell(struct restore *r, struct err *e)
{
	int pid = 0, res;

	if (!has_own(r) || !scripts_wanted(r->opt))
		return rns_populate(r, e);
	res = begin(r, &pid, e);
	if (res == 0)
		res = scripts_run(r->opt, "setup-namespaces", pid, e);
	if (res == 0)
		res = rns_populate(r, e);
	if (res == 0)
		res = scripts_run(r->opt, "post-setup-namespaces", pid, e);
	end(pid);
	return res;
}
