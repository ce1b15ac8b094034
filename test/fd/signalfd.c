/* signalfd: its mask, and signals that wait to be read from it. */
#include "test/lib/fds.h"

#include <signal.h>
#include <sys/signalfd.h>

static struct fds before;

int main(void)
{
	struct signalfd_siginfo info;
	union sigval value = { .sival_int = 42 };
	sigset_t mask, other;
	int fd, second;

	sigemptyset(&mask);
	sigaddset(&mask, SIGUSR1);
	sigaddset(&mask, SIGRTMIN + 3);
	sigemptyset(&other);
	sigaddset(&other, SIGUSR2);
	SYS(sigprocmask(SIG_BLOCK, &mask, NULL));
	SYS(sigprocmask(SIG_BLOCK, &other, NULL));
	fd = SYS(signalfd(-1, &mask, SFD_NONBLOCK | SFD_CLOEXEC));
	second = SYS(signalfd(-1, &other, 0));
	SYS(sigqueue(getpid(), SIGRTMIN + 3, value));
	fds_note(&before);
	victim_ready();
	fds_check(&before);
	SAME(victim_proc("/proc/self/fdinfo/3", "sigmask:", 16),
	     1UL << (SIGUSR1 - 1) | 1UL << (SIGRTMIN + 2));
	SAME(read(fd, &info, sizeof(info)), sizeof(info));
	SAME(info.ssi_signo, SIGRTMIN + 3);
	SAME(info.ssi_int, 42);
	SAME(read(fd, &info, sizeof(info)), -1);
	SYS(kill(getpid(), SIGUSR2));
	SAME(read(second, &info, sizeof(info)), sizeof(info));
	SAME(info.ssi_signo, SIGUSR2);
	victim_ok();
}
