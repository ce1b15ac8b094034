/*
 * A pid namespace of its own, of which this is the first process (unshare --pid --fork): a child with a session and threads, an orphan that came to
 * us, a zombie; what numbers are in: owners of signals, a pidfd, timers for a thread, signals that wait. The first process has no
 * handler for SIGTERM, so nobody inside can end it.
 */
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>

#include "test/lib/victim.h"

struct shared {
	pid_t child, tid, orphan, orphans_group;
	bool looked, orphan_may_go;
};

static volatile struct shared *shared;
static pid_t my_tid;

static void *thread(void *arg)
{
	sigset_t set;
	struct sigevent event = { .sigev_notify = SIGEV_THREAD_ID, .sigev_signo = SIGUSR1 };
	struct itimerspec soon = { .it_value.tv_nsec = 1000000 };
	timer_t timer;
	siginfo_t info;

	(void)arg;
	my_tid = (pid_t)syscall(SYS_gettid);
	event._sigev_un._tid = my_tid;
	SYS(timer_create(CLOCK_MONOTONIC, &event, &timer));
	shared->tid = my_tid;
	victim_set();
	victim_wait();
	SAME(syscall(SYS_gettid), my_tid);
	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	SYS(timer_settime(timer, 0, &soon, NULL));
	SAME(sigwaitinfo(&set, &info), SIGUSR1);
	return NULL;
}

static void orphan(void)
{
	shared->orphan = getpid();
	shared->orphans_group = getpgid(0);
	victim_set();
	victim_wait();
	SAME(getpid(), shared->orphan);
	SAME(getppid(), 1);
	SAME(getsid(0), shared->child);
	SAME(getpgid(0), shared->orphans_group);
	while (!shared->orphan_may_go)
		victim_sleep_ms(1);
	_exit(9);
}

static void child(void)
{
	pid_t middle;

	SYS(setsid());
	shared->child = getpid();
	middle = SYS(fork());
	if (middle == 0) {
		if (victim_fork() == 0)
			orphan();
		_exit(0);
	}
	SAME(waitpid(middle, NULL, 0), middle);
	victim_thread(thread, NULL);
	victim_set();
	victim_wait();
	SAME(getpid(), shared->child);
	SAME(getppid(), 1);
	SAME(getsid(0), shared->child);
	SYS(kill(1, SIGTERM)); /* not heeded */
	victim_join();
	while (!shared->looked)
		victim_sleep_ms(1);
	_exit(8);
}

static void check_end(pid_t pid, int code)
{
	int status;

	SAME(waitpid(pid, &status, 0), pid);
	CHECK(WIFEXITED(status) && WEXITSTATUS(status) == code, "status %x", status);
}

static pid_t make_zombie(void)
{
	siginfo_t info;
	pid_t pid = SYS(fork());

	if (pid == 0)
		_exit(7);
	SYS(waitid(P_PID, pid, &info, WEXITED | WNOWAIT));
	return pid;
}

static void check_signal(void)
{
	struct timespec now = { 0 };
	siginfo_t info;
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGUSR2);
	SAME(sigtimedwait(&set, &info, &now), SIGUSR2);
	SAME(info.si_pid, 1);
}

static void *waiter(void *arg)
{
	victim_set();
	victim_wait();
	return arg;
}

int main(int argc, char **argv)
{
	pid_t pid, zombie;
	int ends[2], pidfd;
	sigset_t set;

	if (getpid() != 1)
		victim_skip("this is not the first process of a pid namespace");
	SYS(setsid());
	if (argc > 1 && strcmp(argv[1], "proc") == 0) {
		SYS(open("/proc/1/stat", O_RDONLY));
		victim_ready();
		victim_ok();
	}
	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	sigaddset(&set, SIGUSR2);
	SYS(sigprocmask(SIG_BLOCK, &set, NULL));
	shared = victim_shared(sizeof(*shared));
	pid = victim_fork();
	if (pid == 0)
		child();
	zombie = make_zombie();
	for (int i = 0; i < 5; i++) /* any of them may be the last that ends */
		victim_thread(waiter, NULL);
	SYS(pipe(ends));
	SYS(fcntl(ends[0], F_SETOWN, pid));
	pidfd = SYS((int)syscall(SYS_pidfd_open, pid, 0));
	SYS(kill(1, SIGUSR2));
	SYS(kill(1, SIGTERM));
	victim_ready();
	SAME(getpid(), 1);
	SAME(getppid(), 0);
	SAME(getsid(0), 1);
	check_signal();
	victim_join();
	SAME(fcntl(ends[0], F_GETOWN), pid);
	SYS((int)syscall(SYS_pidfd_send_signal, pidfd, SIGCONT, NULL, 0));
	check_end(zombie, 7);
	shared->looked = true;
	check_end(pid, 8);
	shared->orphan_may_go = true;
	check_end(shared->orphan, 9);
	pid = SYS(fork());
	if (pid == 0)
		_exit(3);
	check_end(pid, 3);
	SAME(fcntl(ends[0], F_GETOWN), 0); /* that was the child's */
	victim_ok();
}
