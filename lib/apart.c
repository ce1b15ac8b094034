/*
 * See apart.h. As with vfork() we stand still until the other process has ended; when we are killed before, it goes on. Only
 * a signal for itself, within the moment that it is there, would end it.
 */
#include "lib/apart.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

enum { STACK_SIZE = 1 << 20 };

struct job {
	int (*work)(void *arg, struct err *e);
	void *arg;
	struct err *e;
	int result;
	bool finished;
};

/* No signal to our group or session reaches it. */
static int run(void *arg)
{
	struct job *j = arg;

	setsid();
	j->result = j->work(j->arg, j->e);
	j->finished = true;
	return 0;
}

int apart_run(int (*work)(void *arg, struct err *e), void *arg, struct err *e)
{
	struct job j = { .work = work, .arg = arg, .e = e };
	sigset_t all, before;
	char *stack = mmap(NULL, STACK_SIZE, PROT_READ | PROT_WRITE,
			   MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK, -1, 0);
	pid_t pid;

	if (stack == MAP_FAILED)
		return err_sys(e, "memory for a stack");
	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, &before);
	pid = clone(run, stack + STACK_SIZE, CLONE_VM | CLONE_VFORK | CLONE_FILES, &j);
	if (pid < 0)
		err_sys(e, "clone");
	else
		while (waitpid(pid, NULL, __WALL) < 0 && errno == EINTR)
			;
	sigprocmask(SIG_SETMASK, &before, NULL);
	munmap(stack, STACK_SIZE);
	if (pid < 0)
		return e->code;
	return j.finished ? j.result : err_code(e, EINTR, "a process of ours, %d, was killed", pid);
}
