/*
 * Blocked signals that wait: sent to a thread and to the process, with the values they carry, those of
 * real time in the order in which they came. Everything a siginfo holds must be the same.
 *
 *     sigpending [ignored]     SIGTRAP has a handler, or is ignored
 */
#include <pthread.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>

#include "test/lib/victim.h"

#define MANY 100

static sigset_t everything;
static volatile int handled, taken;
static bool ignored;

static siginfo_t next(int sig)
{
	struct timespec now = { 0, 0 };
	uint64_t set = 1ULL << (sig - 1);
	siginfo_t info;

	memset(&info, 0, sizeof(info));
	/* The library's own wrapper would change SI_TKILL into SI_USER. */
	SAME(SYS(syscall(SYS_rt_sigtimedwait, &set, &info, &now, 8)), sig);
	return info;
}

static void none_left(void)
{
	struct timespec now = { 0, 0 };
	int sig = sigtimedwait(&everything, NULL, &now);

	CHECK(sig < 0 && errno == EAGAIN, "signal %d is too many", sig);
}

static void queue(pid_t tid, int sig, int code, int value)
{
	siginfo_t info;

	memset(&info, 0, sizeof(info));
	info.si_code = code;
	info.si_pid = 123;
	info.si_uid = 456;
	info.si_value.sival_ptr = (void *)(0x123400000000 + value);
	if (tid)
		SYS(syscall(SYS_rt_tgsigqueueinfo, getpid(), tid, sig, &info));
	else
		SYS(syscall(SYS_rt_sigqueueinfo, getpid(), sig, &info));
}

static void expect(int sig, int code, int value)
{
	siginfo_t info = next(sig);

	SAME(info.si_code, code);
	SAME(info.si_pid, 123);
	SAME(info.si_uid, 456);
	SAME((uint64_t)info.si_value.sival_ptr, 0x123400000000 + value);
}

static void count(int sig)
{
	handled += sig == SIGTRAP;
}

/* SIGTRAP ends the plans of a restore. This one waits too, and is delivered in the end. */
static void *trapped(void *arg)
{
	sigset_t trap;

	sigemptyset(&trap);
	sigaddset(&trap, SIGTRAP);
	queue(syscall(SYS_gettid), SIGTRAP, SI_QUEUE, 9);
	victim_set();
	victim_wait();
	while (!taken)
		victim_sleep_ms(1);
	SAME(handled, 0);
	SYS(pthread_sigmask(SIG_UNBLOCK, &trap, NULL));
	SAME(handled, ignored ? 0 : 1);
	return arg;
}

static void *thread(void *arg)
{
	pid_t tid = syscall(SYS_gettid);

	for (int i = 0; i < MANY; i++)
		queue(tid, SIGRTMIN + 3, SI_QUEUE, i);
	queue(tid, SIGUSR1, SI_MESGQ, 7);
	victim_set();
	victim_wait();
	for (int i = 0; i < MANY; i++)
		expect(SIGRTMIN + 3, SI_QUEUE, i);
	expect(SIGUSR1, SI_MESGQ, 7);
	return arg;
}

int main(int argc, char **argv)
{
	struct sigaction action = { .sa_handler = count };
	siginfo_t info;
	pid_t child;

	ignored = argc > 1 && strcmp(argv[1], "ignored") == 0;
	if (ignored)
		action.sa_handler = SIG_IGN;
	sigfillset(&everything);
	SYS(sigprocmask(SIG_SETMASK, &everything, NULL));
	child = SYS(fork());
	if (child == 0)
		_exit(42);
	SYS(waitid(P_PID, child, &info, WEXITED | WNOWAIT));
	SYS(kill(getpid(), SIGTERM));
	SYS(syscall(SYS_tgkill, getpid(), getpid(), SIGHUP));
	/* The same signal, both private and shared; the private one comes first. */
	queue(0, SIGRTMIN + 1, SI_QUEUE, 2);
	queue(getpid(), SIGRTMIN + 1, SI_ASYNCIO, 1);
	queue(0, SIGRTMIN + 1, -60, 3);
	SYS(sigaction(SIGTRAP, &action, NULL));
	queue(0, SIGTRAP, SI_QUEUE, 8);
	victim_thread(thread, NULL);
	victim_thread(trapped, NULL);
	victim_ready();
	expect(SIGTRAP, SI_QUEUE, 8);
	taken = 1;
	victim_join();
	SYS(sigaction(SIGTRAP, NULL, &action));
	CHECK(action.sa_handler == (ignored ? SIG_IGN : count));
	info = next(SIGCHLD);
	SAME(info.si_code, CLD_EXITED);
	SAME(info.si_pid, child);
	SAME(info.si_status, 42);
	info = next(SIGTERM);
	SAME(info.si_code, SI_USER);
	SAME(info.si_pid, getpid());
	SAME(next(SIGHUP).si_code, SI_TKILL);
	expect(SIGRTMIN + 1, SI_ASYNCIO, 1);
	expect(SIGRTMIN + 1, SI_QUEUE, 2);
	expect(SIGRTMIN + 1, -60, 3);
	none_left();
	victim_ok();
}
