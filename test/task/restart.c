/*
 * A thread asleep in a system call with a timeout, half of which is over when it is saved. Afterwards
 * it sleeps for the rest, not from the beginning; or the call ends with EINTR where it may.
 */
#include <linux/futex.h>
#include <poll.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/select.h>
#include <sys/sem.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>

#include "test/lib/victim.h"

#define TIMEOUT 1200 /* ms */
#define TOLERANCE 400

static const struct timespec span = { TIMEOUT / 1000, TIMEOUT % 1000 * 1000000 };
static volatile bool over;
static int64_t lost;
static struct timespec left;
static int fd, word;

/* How long nobody was running: all the time that is missing between its breaths. */
static void *breathe(void *arg)
{
	int64_t last = victim_now_ns();

	victim_set();
	while (!over) {
		int64_t now = victim_now_ns();

		if (now - last > 20000000)
			lost += now - last;
		last = now;
		victim_sleep_ms(1);
	}
	return arg;
}

static struct timespec until(clockid_t clock)
{
	struct timespec at;

	clock_gettime(clock, &at);
	at.tv_sec += span.tv_sec;
	at.tv_nsec += span.tv_nsec;
	if (at.tv_nsec >= 1000000000) {
		at.tv_nsec -= 1000000000;
		at.tv_sec++;
	}
	return at;
}

static long call_nanosleep(void)
{
	return syscall(SYS_nanosleep, &span, &left);
}

static long call_relative(void)
{
	return syscall(SYS_clock_nanosleep, CLOCK_MONOTONIC, 0, &span, &left);
}

static long call_absolute(void)
{
	struct timespec at = until(CLOCK_MONOTONIC);

	return syscall(SYS_clock_nanosleep, CLOCK_MONOTONIC, TIMER_ABSTIME, &at, NULL);
}

static long call_absolute_realtime(void)
{
	struct timespec at = until(CLOCK_REALTIME);

	return syscall(SYS_clock_nanosleep, CLOCK_REALTIME, TIMER_ABSTIME, &at, NULL);
}

static long call_poll(void)
{
	return poll(NULL, 0, TIMEOUT);
}

static long call_ppoll(void)
{
	return ppoll(NULL, 0, &span, NULL);
}

static long call_select(void)
{
	struct timeval time = { span.tv_sec, span.tv_nsec / 1000 };

	return syscall(SYS_select, 0, NULL, NULL, NULL, &time);
}

static long call_pselect(void)
{
	return pselect(0, NULL, NULL, NULL, &span, NULL);
}

static long call_epoll(void)
{
	struct epoll_event event;

	return epoll_wait(fd, &event, 1, TIMEOUT);
}

static long call_futex(void)
{
	return syscall(SYS_futex, &word, FUTEX_WAIT, 0, &span);
}

static long call_futex_absolute(void)
{
	struct timespec at = until(CLOCK_MONOTONIC);

	return syscall(SYS_futex, &word, FUTEX_WAIT_BITSET, 0, &at, NULL, FUTEX_BITSET_MATCH_ANY);
}

static long call_sigtimedwait(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	return sigtimedwait(&set, NULL, &span);
}

static long call_semtimedop(void)
{
	struct sembuf down = { 0, -1, 0 };

	return semtimedop(fd, &down, 1, &span);
}

static const struct call {
	const char *name;
	long nr, (*call)(void);
	int error; /* when the time is over; 0: it returns 0 */
	bool may_interrupt;
} calls[] = {
	{ "nanosleep", SYS_nanosleep, call_nanosleep, 0, true },
	{ "clock_nanosleep", SYS_clock_nanosleep, call_relative, 0, true },
	{ "clock_nanosleep-absolute", SYS_clock_nanosleep, call_absolute, 0, false },
	{ "clock_nanosleep-realtime", SYS_clock_nanosleep, call_absolute_realtime, 0, false },
	{ "poll", SYS_poll, call_poll, 0, true },
	{ "ppoll", SYS_ppoll, call_ppoll, 0, false },
	{ "select", SYS_select, call_select, 0, false },
	{ "pselect", SYS_pselect6, call_pselect, 0, false },
	{ "epoll_wait", SYS_epoll_wait, call_epoll, 0, true },
	{ "futex", SYS_futex, call_futex, ETIMEDOUT, true },
	{ "futex-absolute", SYS_futex, call_futex_absolute, ETIMEDOUT, true },
	{ "sigtimedwait", SYS_rt_sigtimedwait, call_sigtimedwait, EAGAIN, true },
	{ "semtimedop", SYS_semtimedop, call_semtimedop, EAGAIN, true },
};

static void *thread(void *arg)
{
	const struct call *c = arg;
	int64_t start = victim_now_ns(), ms;
	long r;

	victim_set();
	errno = 0;
	r = c->call();
	ms = (victim_now_ns() - start) / 1000000;
	if (c->may_interrupt && r == -1 && errno == EINTR) {
		int64_t rest = left.tv_sec * 1000 + left.tv_nsec / 1000000;

		CHECK(rest >= 0 && rest <= TIMEOUT, "%ld ms left", (long)rest);
		return NULL;
	}
	CHECK(r == (c->error ? -1 : 0) && errno == c->error, "it gave %ld, %s", r, strerror(errno));
	CHECK(ms >= TIMEOUT - 1, "it ended after %ld ms", (long)ms);
	ms -= lost / 1000000;
	CHECK(ms < TIMEOUT + TOLERANCE, "it ended after %ld ms", (long)ms);
	return NULL;
}

int main(int argc, char **argv)
{
	sigset_t all;

	sigfillset(&all);
	SYS(sigprocmask(SIG_SETMASK, &all, NULL));
	victim_thread(breathe, NULL);
	for (size_t i = 0; argc > 1 && i < sizeof(calls) / sizeof(calls[0]); i++) {
		if (strcmp(calls[i].name, argv[1]) != 0)
			continue;
		if (calls[i].call == call_epoll)
			fd = SYS(epoll_create1(0));
		if (calls[i].call == call_semtimedop)
			fd = SYS(semget(IPC_PRIVATE, 1, 0600));
		victim_blocked(victim_thread(thread, (void *)&calls[i]), calls[i].nr);
		victim_sleep_ms(TIMEOUT / 2);
		victim_ready();
		victim_sleep_ms(TIMEOUT);
		over = true;
		victim_join();
		if (calls[i].call == call_semtimedop)
			SYS(semctl(fd, 0, IPC_RMID));
		victim_ok();
	}
	victim_fail(__FILE__, __LINE__, "argv", " no such call");
}
