/*
 * Family ties: parents, sessions and process groups, also where the one that gave them their number
 * is gone. Every process looks at its own ids before and after.
 */
#include <sys/prctl.h>
#include <sys/wait.h>

#include "test/lib/victim.h"

struct ids {
	pid_t pid, parent, group, session;
};

static struct ids ids_now(void)
{
	return (struct ids){ getpid(), getppid(), getpgid(0), getsid(0) };
}

/* A child: nothing about it may change, and its own children must end well. */
static _Noreturn void stay(void)
{
	struct ids was = ids_now(), is;

	victim_set();
	victim_wait();
	is = ids_now();
	SAME(is.pid, was.pid);
	SAME(is.parent, was.parent);
	SAME(is.group, was.group);
	SAME(is.session, was.session);
	for (int status; wait(&status) > 0;)
		SAME(status, 0);
	_exit(0);
}

static void nested(void)
{
	if (victim_fork() == 0) {
		if (victim_fork() == 0) {
			if (victim_fork() == 0)
				stay();
			stay();
		}
		stay();
	}
}

static void sessions(void)
{
	pid_t group;

	if (victim_fork() != 0)
		return;
	SYS(setsid());
	if (victim_fork() == 0)
		stay();
	group = victim_fork();
	if (group == 0) {
		SYS(setpgid(0, 0));
		stay();
	}
	/* Joins a group that somebody else leads. */
	if (victim_fork() == 0) {
		SYS(setpgid(0, group));
		stay();
	}
	if (victim_fork() == 0) {
		SYS(setsid());
		if (victim_fork() == 0)
			stay();
		stay();
	}
	stay();
}

/* The one between is gone; its child is ours now. */
static void orphan(bool new_session, bool new_group)
{
	pid_t between;

	SYS(prctl(PR_SET_CHILD_SUBREAPER, 1));
	between = victim_fork();
	if (between == 0) {
		pid_t self = getpid();

		if (new_session)
			SYS(setsid());
		if (new_group)
			SYS(setpgid(0, 0));
		if (SYS(fork()) > 0)
			_exit(0);
		while (getppid() == self)
			victim_sleep_ms(1);
		stay();
	}
	victim_reap(between);
}

static void crowd(int count)
{
	for (int i = 0; i < count; i++)
		if (victim_fork() == 0)
			stay();
}

int main(int argc, char **argv)
{
	const char *what = argc > 1 ? argv[1] : "";

	if (strcmp(what, "nested") == 0)
		nested();
	else if (strcmp(what, "sessions") == 0)
		sessions();
	else if (strcmp(what, "orphan") == 0)
		orphan(false, false);
	else if (strcmp(what, "orphan-of-session") == 0)
		orphan(true, false);
	else if (strcmp(what, "orphan-of-group") == 0)
		orphan(false, true);
	else
		crowd(atoi(what));
	victim_ready();
	for (int status; wait(&status) > 0;)
		SAME(status, 0);
	victim_ok();
}
