/* Sessions and process groups; see sessions.h. */
#include "dump/sessions.h"

#include <errno.h>
#include <signal.h>

static bool lives(int pid)
{
	return pid > 0 && (kill(pid, 0) == 0 || errno == EPERM);
}

static bool in_tree(const struct dump *d, int pid)
{
	for (size_t i = 0; i < d->task_count; i++)
		if (d->tasks[i]->pid == pid)
			return true;
	return false;
}

/* A leader outside that is gone can be stood in for at restore; one that lives cannot. */
static int check_leader(const struct task *t, int leader, const char *what, struct err *e)
{
	if (t->dump->opt->shell_job || in_tree(t->dump, leader) || (leader && !lives(leader)))
		return 0;
	err_say(e, "pid %d belongs to the %s of pid %d, which is outside of the tree", t->pid, what,
		leader);
	return err_hint(e,
			"dump the tree of that process, or use --shell-job for a job started from "
			"a shell");
}

int sessions_check(struct task *t, struct err *e)
{
	if (check_leader(t, t->stat.session, "session", e) < 0)
		return e->code;
	return check_leader(t, t->stat.pgrp, "process group", e);
}
