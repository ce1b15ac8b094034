/*
 * A signal that came while the process was stopped, and a thread asleep in a system call. When it goes on, the handler
 * runs first: then the call has been interrupted, or is made again if the handler asks for it. It must not be made again
 * in any case, as if the signal had come before: who sets an alarm for a read would wait for ever.
 *
 *     interrupted CALL [restarts]     restarts: the handler is one with SA_RESTART
 */
#include <poll.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/select.h>
#include <sys/sem.h>
#include <sys/syscall.h>
#include <time.h>

#include "test/lib/victim.h"

static int ends[2], epoll_fd, sem;
static volatile int handled;
static long number;
static sigset_t none;

static void handler(int sig)
{
	handled = sig;
}

static long call_read(void)
{
	char byte;

	return read(ends[0], &byte, 1);
}

static long call_poll(void)
{
	struct pollfd one = { .fd = ends[0], .events = POLLIN };

	return poll(&one, 1, -1);
}

static long call_ppoll(void)
{
	struct pollfd one = { .fd = ends[0], .events = POLLIN };

	return ppoll(&one, 1, NULL, &none);
}

static long call_pselect(void)
{
	fd_set set;

	FD_ZERO(&set);
	FD_SET(ends[0], &set);
	return pselect(ends[0] + 1, &set, NULL, NULL, NULL, &none);
}

static long call_epoll_wait(void)
{
	struct epoll_event event;

	return epoll_wait(epoll_fd, &event, 1, -1);
}

static long call_epoll_pwait(void)
{
	struct epoll_event event;

	return epoll_pwait(epoll_fd, &event, 1, -1, &none);
}

static long call_semop(void)
{
	struct sembuf down = { 0, -1, 0 };

	return semop(sem, &down, 1);
}

static long call_sigwaitinfo(void)
{
	sigset_t other;

	sigemptyset(&other);
	sigaddset(&other, SIGUSR2);
	return sigwaitinfo(&other, NULL);
}

static long call_sigsuspend(void)
{
	return sigsuspend(&none);
}

/* An hour, of which some must be left. */
static long call_nanosleep(void)
{
	struct timespec left = { 3600, 0 };
	long r = syscall(SYS_nanosleep, &left, &left);
	int error = errno;

	CHECK(left.tv_sec > 3000 && left.tv_sec < 3600, "%ld s are left", (long)left.tv_sec);
	errno = error;
	return r;
}

static const struct call {
	const char *name;
	long nr, (*call)(void);
	bool opens; /* the signal is blocked, but for the time of the call */
} calls[] = {
	{ "read", SYS_read, call_read, false },
	{ "poll", SYS_poll, call_poll, false },
	{ "ppoll", SYS_ppoll, call_ppoll, true },
	{ "pselect", SYS_pselect6, call_pselect, true },
	{ "epoll_wait", SYS_epoll_wait, call_epoll_wait, false },
	{ "epoll_pwait", SYS_epoll_pwait, call_epoll_pwait, true },
	{ "semop", SYS_semtimedop, call_semop, false },
	{ "sigwaitinfo", SYS_rt_sigtimedwait, call_sigwaitinfo, false },
	{ "sigsuspend", SYS_rt_sigsuspend, call_sigsuspend, true },
	{ "nanosleep", SYS_nanosleep, call_nanosleep, false },
};

static void *write_later(void *arg)
{
	victim_set();
	while (!handled)
		victim_sleep_ms(5);
	victim_sleep_ms(100);
	SYS(write(ends[1], "x", 1));
	return arg;
}

static void *say_ready(void *arg)
{
	victim_set();
	victim_blocked(getpid(), number);
	victim_ready();
	return arg;
}

static const struct call *find(const char *name)
{
	for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]); i++)
		if (strcmp(calls[i].name, name) == 0)
			return &calls[i];
	victim_fail(__FILE__, __LINE__, name, " no such call");
}

int main(int argc, char **argv)
{
	const struct call *c = find(argc > 1 ? argv[1] : "");
	bool restarts = argc > 2;
	struct sigaction action = { .sa_handler = handler, .sa_flags = restarts ? SA_RESTART : 0 };
	sigset_t set, now;
	long r;

	SYS(pipe(ends));
	epoll_fd = SYS(epoll_create1(0));
	sem = SYS(semget(IPC_PRIVATE, 1, 0600));
	number = c->nr;
	SYS(sigaction(SIGUSR1, &action, NULL));
	/* Only the first thread takes the signal. */
	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	SYS(sigprocmask(SIG_BLOCK, &set, NULL));
	victim_thread(write_later, NULL);
	victim_thread(say_ready, NULL);
	if (!c->opens)
		SYS(sigprocmask(SIG_UNBLOCK, &set, NULL));
	r = c->call();
	SAME(handled, SIGUSR1);
	if (restarts && c->call == call_read)
		SAME(r, 1);
	else
		CHECK(r == -1 && errno == EINTR, "%s gave %ld, %s", c->name, r, strerror(errno));
	SYS(sigprocmask(SIG_BLOCK, NULL, &now));
	SAME(sigismember(&now, SIGUSR1), c->opens);
	victim_join();
	SYS(semctl(sem, 0, IPC_RMID));
	victim_ok();
}
