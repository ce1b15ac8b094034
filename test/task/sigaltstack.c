/* A thread in a signal handler on its alternate stack: it returns to where it was, mask and all. */
#include <pthread.h>
#include <signal.h>

#include "test/lib/victim.h"

#define SIZE (64 * 1024)

static char stack[SIZE], unused[SIZE];
static bool in_handler, on_stack;

static bool blocked(int sig)
{
	sigset_t mask;

	SYS(sigprocmask(SIG_BLOCK, NULL, &mask));
	return sigismember(&mask, sig);
}

static void handler(int sig, siginfo_t *info, void *context)
{
	char local;
	stack_t now;

	in_handler = true;
	on_stack = &local >= stack && &local < stack + SIZE;
	victim_ready();
	SAME(sig, SIGUSR1);
	SAME(info->si_value.sival_int, 4711);
	CHECK(context);
	SYS(sigaltstack(NULL, &now));
	CHECK(now.ss_sp == stack && now.ss_size == SIZE && now.ss_flags == SS_ONSTACK);
	CHECK(blocked(SIGUSR1) && blocked(SIGUSR2));
}

/* Another thread, with a stack that is set but not in use. */
static void *bystander(void *arg)
{
	stack_t mine = { .ss_sp = unused, .ss_size = SIZE, .ss_flags = (int)(1U << 31) }, now;

	SYS(sigaltstack(&mine, NULL));
	victim_set();
	victim_wait();
	SYS(sigaltstack(NULL, &now));
	CHECK(now.ss_sp == unused && now.ss_size == SIZE);
	SAME(now.ss_flags & ~SS_DISABLE, mine.ss_flags);
	return arg;
}

int main(void)
{
	struct sigaction action = { .sa_sigaction = handler, .sa_flags = SA_ONSTACK | SA_SIGINFO };
	stack_t mine = { .ss_sp = stack, .ss_size = SIZE }, now;

	victim_thread(bystander, NULL);
	sigaddset(&action.sa_mask, SIGUSR2);
	SYS(sigaction(SIGUSR1, &action, NULL));
	SYS(sigaltstack(&mine, NULL));
	SYS(pthread_sigqueue(pthread_self(), SIGUSR1, (union sigval){ .sival_int = 4711 }));
	CHECK(in_handler && on_stack);
	SYS(sigaltstack(NULL, &now));
	CHECK(now.ss_sp == stack && now.ss_size == SIZE && now.ss_flags == 0);
	CHECK(!blocked(SIGUSR1) && !blocked(SIGUSR2));
	victim_join();
	victim_ok();
}
