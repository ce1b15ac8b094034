/* Programs with something that cannot be carried; each must be refused, and must not notice. */
#include <asm/ldt.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "test/lib/victim.h"

#define SET_DISPATCH 59 /* PR_SET_SYSCALL_USER_DISPATCH */

/* PTRACE_GET_SYSCALL_USER_DISPATCH_CONFIG came with 6.4. */
static bool tells_dispatch(void)
{
	char config[32];
	pid_t pid = SYS(fork());
	bool tells;

	if (pid == 0) {
		ptrace(PTRACE_TRACEME, 0, 0, 0);
		raise(SIGSTOP);
		_exit(0);
	}
	SYS(waitpid(pid, NULL, 0));
	tells = ptrace(0x4211, pid, sizeof(config), config) == 0;
	kill(pid, SIGKILL);
	SYS(waitpid(pid, NULL, 0));
	return tells;
}

/* Catches the calls of code that lies nowhere; its own are let through by the selector. */
static void dispatch(void)
{
	static char selector;

	if (!tells_dispatch())
		victim_skip("this kernel does not tell who catches system calls");
	if (prctl(SET_DISPATCH, 1, 0, 0, &selector) < 0)
		victim_skip("this kernel cannot dispatch system calls to the program");
}

static void ldt(void)
{
	struct user_desc entry = { .entry_number = 0, .limit = 1, .seg_32bit = 1 };

	if (syscall(SYS_modify_ldt, 1, &entry, sizeof(entry)) != 0)
		victim_skip("this kernel has no modify_ldt");
}

static int wait_here(void *arg)
{
	volatile int *over = arg;

	while (!*over)
		victim_sleep_ms(5);
	return 0;
}

static volatile int over;
static pid_t sharer;

static void shared_memory(void)
{
	static char stack[64 * 1024];

	sharer = SYS(clone(wait_here, stack + sizeof(stack), CLONE_VM | SIGCHLD, (void *)&over));
}

static void *speak_for_all(void *arg)
{
	(void)arg;
	victim_set();
	victim_sleep_ms(100);
	victim_ready();
	victim_ok();
}

static _Noreturn void dead_leader(void)
{
	victim_thread(speak_for_all, NULL);
	syscall(SYS_exit, 0);
	__builtin_unreachable();
}

int main(int argc, char **argv)
{
	static const struct {
		const char *name;
		void (*set)(void);
	} cases[] = {
		{ "dispatch", dispatch },
		{ "ldt", ldt },
		{ "shared-memory", shared_memory },
		{ "dead-leader", dead_leader },
	};

	for (size_t i = 0; argc > 1 && i < sizeof(cases) / sizeof(cases[0]); i++)
		if (strcmp(argv[1], cases[i].name) == 0)
			cases[i].set();
	victim_ready();
	over = 1;
	if (sharer)
		victim_reap(sharer);
	victim_ok();
}
