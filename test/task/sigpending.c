/*
 * Blocked signals that wait: sent to a thread and to the process, with the values they carry, those of
 * real time in the order in which they came. Everything a siginfo holds must be the same.
 */
#include <pthread.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>

#include "test/lib/victim.h"

#define MANY 100

static sigset_t everything;

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

int main(void)
{
	siginfo_t info;
	pid_t child;

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
	victim_thread(thread, NULL);
	victim_ready();
	victim_join();
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
