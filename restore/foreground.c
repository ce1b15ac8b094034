/*
 * A shell gives the terminal to the process group of the job it starts: during a restore, to ours. A job whose
 * own group had it would stop at its first read. So we stand between the two as a shell would: hand the
 * terminal on, stop when the job stops, so that our shell takes over, and wake it up when we are woken.
 */
#include "restore/foreground.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "restore/ttys.h"

/* Whoever is in the background may not do this without the signal blocked. */
static int set_group(int tty, int pgrp)
{
	sigset_t stop, before;
	int r;

	sigemptyset(&stop);
	sigaddset(&stop, SIGTTOU);
	sigprocmask(SIG_BLOCK, &stop, &before);
	r = tcsetpgrp(tty, pgrp);
	sigprocmask(SIG_SETMASK, &before, NULL);
	return r;
}

static int open_tty(const struct options *opt)
{
	return opt->shell_job ? open("/dev/tty", O_RDWR | O_NOCTTY | O_CLOEXEC) : -1;
}

/* The group of the job that had the terminal; 0: none, or one that is not restored as itself. */
static int saved_group(const struct restore *r)
{
	const struct rtask *root = r->tasks[0];
	const struct rttys *ttys = r->files->ttys;

	if (root->sid == root->pid)
		return 0; /* a session of its own */
	for (size_t i = 0; ttys && i < ttys->info_count; i++) {
		const TtyInfoEntry *info = ttys->infos[i];

		for (size_t k = 0; (int)info->sid == root->sid && k < r->task_count; k++)
			if (r->tasks[k]->pid == (int)info->pgrp)
				return rtask_here(r->tasks[k]);
	}
	return 0;
}

int foreground_give(const struct restore *r, struct err *e)
{
	own_fd tty = open_tty(r->opt);
	int pgrp = saved_group(r);

	if (tty < 0 || pgrp == 0 || tcgetpgrp(tty) != getpgrp())
		return 0;
	return set_group(tty, pgrp) < 0 ? err_sys(e, "give the terminal to group %d", pgrp) : 0;
}

void foreground_take(const struct restore *r)
{
	own_fd tty = open_tty(r->opt);

	if (tty >= 0 && saved_group(r) && tcgetpgrp(tty) == saved_group(r))
		set_group(tty, getpgrp());
}

static void stop_with(int tty, int pgrp)
{
	kill(getpid(), SIGSTOP);
	/* Woken up: by 'fg' with the terminal, by 'bg' without. */
	if (tty >= 0 && tcgetpgrp(tty) == getpgrp())
		set_group(tty, pgrp);
	kill(-pgrp, SIGCONT);
}

void foreground_stay(const struct options *opt)
{
	own_fd tty = open_tty(opt);
	int flags = __WALL | (tty >= 0 ? WUNTRACED : 0), status, pid;

	while ((pid = waitpid(-1, &status, flags)) > 0 || errno == EINTR) {
		int pgrp = pid > 0 && WIFSTOPPED(status) ? getpgid(pid) : -1;

		if (pgrp > 0 && pgrp != getpgrp()) /* else we are stopped as it is */
			stop_with(tty, pgrp);
	}
	if (tty >= 0 && kill(-tcgetpgrp(tty), 0) < 0 && errno == ESRCH)
		set_group(tty, getpgrp());
}
