/* Every signal's handler, flags, mask and restorer, as the kernel holds them; and each thread's mask. */
#include <signal.h>
#include <sys/syscall.h>

#include "test/lib/victim.h"

struct kernel_sigaction {
	uint64_t handler, flags, restorer, mask;
};

static void *thread(void *arg)
{
	uint64_t mask = (uint64_t)arg & ~(1ULL << (SIGKILL - 1) | 1ULL << (SIGSTOP - 1)), now;

	SYS(syscall(SYS_rt_sigprocmask, SIG_SETMASK, &mask, NULL, 8));
	victim_set();
	victim_wait();
	SYS(syscall(SYS_rt_sigprocmask, SIG_BLOCK, NULL, &now, 8));
	SAME(now, mask);
	return NULL;
}

int main(void)
{
	struct kernel_sigaction was[65], now;

	/* First, as the library sets up a handler of its own for its first thread. */
	victim_thread(thread, (void *)0x5555555555555555);
	victim_thread(thread, (void *)0xfffffffffffffffe);
	victim_thread(thread, NULL);
	for (int sig = 1; sig <= 64; sig++) {
		struct kernel_sigaction action = {
			.handler = sig % 5 == 0 ? (uint64_t)SIG_IGN :
				   sig % 7 == 0 ? (uint64_t)SIG_DFL :
						  0x700000000000ULL + sig,
			.flags = 0x04000000 | (sig % 2 ? SA_RESTART : 0) |
				 (sig % 3 ? SA_SIGINFO : 0) | (sig % 4 ? SA_NODEFER : 0) |
				 (sig % 6 ? 0 : SA_ONSTACK) | (sig == SIGCHLD ? SA_NOCLDWAIT : 0),
			.restorer = 0x600000000000ULL + sig,
			.mask = 1ULL << sig % 64,
		};

		if (sig == SIGKILL || sig == SIGSTOP)
			continue;
		SYS(syscall(SYS_rt_sigaction, sig, &action, NULL, 8));
		SYS(syscall(SYS_rt_sigaction, sig, NULL, &was[sig], 8));
	}
	victim_ready();
	for (int sig = 1; sig <= 64; sig++) {
		if (sig == SIGKILL || sig == SIGSTOP)
			continue;
		SYS(syscall(SYS_rt_sigaction, sig, NULL, &now, 8));
		CHECK(memcmp(&was[sig], &now, sizeof(now)) == 0, "signal %d", sig);
	}
	victim_join();
	victim_ok();
}
