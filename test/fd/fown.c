/* Who gets SIGIO: owner (process, thread, group), signal, by whom it was set; O_ASYNC with its descriptor's number. */
#include "test/lib/fds.h"

#include <signal.h>
#include <sys/inotify.h>

#define F_GETOWNER_UIDS_ 17

static struct fds before;
static int by_pid[2], by_group[2], by_thread[2], as_user[2], child_owns[2], watch, pidfd;
static volatile int came, came_fd, *looked;

static void on_io(int sig, siginfo_t *info, void *context)
{
	(void)context;
	came = sig;
	came_fd = info->si_fd;
}

static void own(int fd, int type, int pid, int sig)
{
	struct f_owner_ex o = { type, pid };

	SYS(fcntl(fd, F_SETOWN_EX, &o));
	SYS(fcntl(fd, F_SETSIG, sig));
}

/* Owners live until they have been looked at; the thread tells its number when it has closed what it was set up by. */
static void *thread(void *arg)
{
	victim_set();
	*(volatile int *)arg = syscall(SYS_gettid);
	while (!*looked)
		victim_sleep_ms(1);
	return NULL;
}

static void owner_is(int fd, int type, int pid, int sig)
{
	struct f_owner_ex o;

	SYS(fcntl(fd, F_GETOWN_EX, &o));
	SAME(o.type, type);
	SAME(o.pid, pid);
	SAME(SYS(fcntl(fd, F_GETSIG)), sig);
}

/* An inotify that asks for signals, and a pidfd. */
static void own_others(pid_t pid)
{
	watch = SYS(inotify_init1(IN_NONBLOCK));
	SYS(close(SYS(open(fds_path("watched"), O_CREAT | O_WRONLY, 0600))));
	SYS(inotify_add_watch(watch, fds_path("watched"), IN_ATTRIB));
	own(watch, F_OWNER_PID, getpid(), SIGRTMIN + 1);
	SYS(fcntl(watch, F_SETFL, O_ASYNC | O_NONBLOCK));
	pidfd = syscall(SYS_pidfd_open, pid, 0);
	if (pidfd >= 0)
		own(pidfd, F_OWNER_PID, pid, SIGUSR1);
}

static void watch_tells(void)
{
	came = 0;
	SYS(chmod(fds_path("watched"), 0640));
	while (!came)
		victim_sleep_ms(1);
	SAME(came_fd, watch);
}

int main(void)
{
	struct sigaction sa = { .sa_sigaction = on_io, .sa_flags = SA_SIGINFO };
	static volatile int tid;
	uid_t uids[2];
	pid_t pid;

	looked = victim_shared(sizeof(*looked));
	sigaction(SIGRTMIN + 1, &sa, NULL);
	SYS(pipe(by_pid));
	SYS(pipe(by_group));
	SYS(pipe(by_thread));
	SYS(pipe(as_user));
	SYS(pipe(child_owns));
	pid = victim_fork();
	if (pid == 0) {
		victim_set();
		while (!*looked)
			victim_sleep_ms(1);
		_exit(0);
	}
	victim_thread(thread, (void *)&tid);
	while (!tid)
		victim_sleep_ms(1);
	own_others(pid);
	own(by_pid[0], F_OWNER_PID, getpid(), SIGRTMIN + 1);
	SYS(fcntl(by_pid[0], F_SETFL, O_ASYNC | O_NONBLOCK));
	own(by_group[0], F_OWNER_PGRP, getpgrp(), 0);
	own(by_thread[1], F_OWNER_TID, tid, SIGUSR1);
	own(child_owns[0], F_OWNER_PID, pid, SIGUSR2);
	SYS(syscall(SYS_setresuid, -1, 1234, -1));
	own(as_user[0], F_OWNER_PID, getpid(), SIGUSR1);
	SYS(syscall(SYS_setresuid, -1, 0, -1));
	fds_note(&before);
	victim_ready();
	fds_check(&before);
	owner_is(by_pid[0], F_OWNER_PID, getpid(), SIGRTMIN + 1);
	owner_is(by_group[0], F_OWNER_PGRP, getpgrp(), 0);
	owner_is(by_thread[1], F_OWNER_TID, tid, SIGUSR1);
	owner_is(child_owns[0], F_OWNER_PID, pid, SIGUSR2);
	owner_is(as_user[0], F_OWNER_PID, getpid(), SIGUSR1);
	if (fcntl(as_user[0], F_GETOWNER_UIDS_, uids) == 0) {
		SAME(uids[0], 0);
		SAME(uids[1], 1234);
	}
	owner_is(watch, F_OWNER_PID, getpid(), SIGRTMIN + 1);
	if (pidfd >= 0)
		owner_is(pidfd, F_OWNER_PID, pid, SIGUSR1);
	*looked = 1;
	SAME(came, 0);
	SAME(write(by_pid[1], "x", 1), 1);
	while (!came)
		victim_sleep_ms(1);
	SAME(came, SIGRTMIN + 1);
	SAME(came_fd, by_pid[0]);
	watch_tells();
	victim_reap(pid);
	victim_join();
	victim_ok();
}
