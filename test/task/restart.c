/*
 * A thread asleep in a system call with a timeout, half of which is over when it is saved. Afterwards
 * it sleeps for the rest, not from the beginning; or the call ends with EINTR where it may, and says how much is left.
 *
 *     restart CALL|all [stays|twice]
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
static volatile uint64_t breaths;
static volatile int64_t lost;
static int epoll_fd, sem, word;
/* Where the kernel writes how much is left. */
static __thread struct timespec left;

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
		breaths++;
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

static long call_nanosleep_no_rest(void)
{
	return syscall(SYS_nanosleep, &span, NULL);
}

/* As sleep(3) does it: the time left is written over the time that was asked for. */
static long call_nanosleep_same(void)
{
	left = span;
	return syscall(SYS_nanosleep, &left, &left);
}

static long call_relative_same(void)
{
	left = span;
	return syscall(SYS_clock_nanosleep, CLOCK_MONOTONIC, 0, &left, &left);
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

	return epoll_wait(epoll_fd, &event, 1, TIMEOUT);
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

	return semtimedop(sem, &down, 1, &span);
}

/* When the call may give EINTR. Twice: it had been interrupted, and carried on, before it was saved. */
enum when { NEVER, RESTORED_TWICE, RESTORED, STOPPED };

static const struct call {
	const char *name;
	long nr, (*call)(void);
	int error; /* when the time is over; 0: it returns 0 */
	enum when interrupted;
	bool tells; /* what is left then */
} calls[] = {
	{ "nanosleep", SYS_nanosleep, call_nanosleep, 0, RESTORED, true },
	{ "nanosleep-no-rest", SYS_nanosleep, call_nanosleep_no_rest, 0, RESTORED, false },
	{ "nanosleep-same", SYS_nanosleep, call_nanosleep_same, 0, RESTORED_TWICE, true },
	{ "clock_nanosleep", SYS_clock_nanosleep, call_relative, 0, RESTORED, true },
	{ "clock_nanosleep-same", SYS_clock_nanosleep, call_relative_same, 0, RESTORED_TWICE,
	  true },
	{ "clock_nanosleep-absolute", SYS_clock_nanosleep, call_absolute, 0, NEVER, false },
	{ "clock_nanosleep-realtime", SYS_clock_nanosleep, call_absolute_realtime, 0, NEVER,
	  false },
	{ "poll", SYS_poll, call_poll, 0, RESTORED, false },
	{ "ppoll", SYS_ppoll, call_ppoll, 0, NEVER, false },
	{ "select", SYS_select, call_select, 0, NEVER, false },
	{ "pselect", SYS_pselect6, call_pselect, 0, NEVER, false },
	{ "epoll_wait", SYS_epoll_wait, call_epoll, 0, STOPPED, false },
	{ "futex", SYS_futex, call_futex, ETIMEDOUT, RESTORED, false },
	{ "futex-absolute", SYS_futex, call_futex_absolute, ETIMEDOUT, RESTORED_TWICE, false },
	{ "sigtimedwait", SYS_rt_sigtimedwait, call_sigtimedwait, EAGAIN, STOPPED, false },
	{ "semtimedop", SYS_semtimedop, call_semtimedop, EAGAIN, STOPPED, false },
};

/* From the command line: all calls at once; they are left running; they were interrupted before. */
static bool all, stays, twice;

static bool may_interrupt(enum when w)
{
	return w == STOPPED || (!stays && (w == RESTORED || (w == RESTORED_TWICE && twice)));
}

static void *thread(void *arg)
{
	const struct call *c = arg;
	int64_t start = victim_now_ns(), ms, ran;
	long r;
	int error;

	victim_set();
	errno = 0;
	r = c->call();
	error = errno;
	ms = (victim_now_ns() - start) / 1000000;
	for (uint64_t now = breaths; !over && breaths < now + 2;)
		victim_sleep_ms(1); /* what is lost up to now is known then */
	ran = ms - lost / 1000000;
	if (r == -1 && error == EINTR && may_interrupt(c->interrupted)) {
		int64_t rest = left.tv_sec * 1000 + left.tv_nsec / 1000000;

		CHECK(!c->tells || llabs(ran + rest - TIMEOUT) < TOLERANCE,
		      "%s: %ld ms are left after %ld", c->name, (long)rest, (long)ran);
		return NULL;
	}
	CHECK(r == (c->error ? -1 : 0) && error == c->error, "%s gave %ld, %s", c->name, r,
	      strerror(error));
	CHECK(ms >= TIMEOUT - 1, "%s ended after %ld ms", c->name, (long)ms);
	CHECK(ran < TIMEOUT + TOLERANCE, "%s ended after %ld ms", c->name, (long)ran);
	return NULL;
}

static size_t start_calls(const char *name)
{
	pid_t tid[sizeof(calls) / sizeof(calls[0])];
	size_t count = sizeof(calls) / sizeof(calls[0]), started = 0;

	for (size_t i = 0; i < count; i++) {
		tid[i] = 0;
		if (!all && strcmp(calls[i].name, name) != 0)
			continue;
		tid[i] = victim_thread(thread, (void *)&calls[i]);
		started++;
	}
	for (size_t i = 0; i < count; i++)
		if (tid[i])
			victim_blocked(tid[i], calls[i].nr);
	return started;
}

int main(int argc, char **argv)
{
	sigset_t set;

	CHECK(argc > 1);
	all = strcmp(argv[1], "all") == 0;
	stays = argc > 2 && strcmp(argv[2], "stays") == 0;
	twice = argc > 2 && strcmp(argv[2], "twice") == 0;
	sigfillset(&set);
	SYS(sigprocmask(SIG_SETMASK, &set, NULL));
	victim_thread(breathe, NULL);
	epoll_fd = SYS(epoll_create1(0));
	sem = SYS(semget(IPC_PRIVATE, 1, 0600));
	CHECK(start_calls(argv[1]) > 0, "no such call");
	victim_sleep_ms(TIMEOUT / 2);
	victim_ready();
	victim_sleep_ms(TIMEOUT);
	over = true;
	victim_join();
	SYS(semctl(sem, 0, IPC_RMID));
	victim_ok();
}
