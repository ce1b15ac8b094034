/* Memory, and what a process is. */
#include "test/compat/plain.h"

#include <signal.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>

#ifndef MADV_GUARD_INSTALL
#define MADV_GUARD_INSTALL 102
#endif

enum { PAGE = 4096, PAGES = 16, HOUR = 3600 };

static pid_t child;

static char *memory;

static void guard_set(void)
{
	memory = mmap(NULL, PAGES * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1,
		      0);
	memset(memory, 5, PAGES * PAGE);
	if (madvise(memory + 4 * PAGE, 2 * PAGE, MADV_GUARD_INSTALL) < 0)
		victim_skip("this kernel has no guard pages");
}

static void guard_check(void)
{
	int fd[2];

	SYS(pipe(fd));
	SAME(write(fd[1], memory + 3 * PAGE, PAGE), PAGE);
	SAME(write(fd[1], memory + 4 * PAGE, 1), -1);
	SAME(errno, EFAULT);
	SAME(memory[6 * PAGE], 5);
}

/* Shared with a child, locked, advised. */
static void memory_set(void)
{
	memory = victim_shared(PAGES * PAGE);
	memset(memory + PAGE, 7, 3 * PAGE);
	SYS(mlock(memory, 2 * PAGE));
	SYS(madvise(memory, PAGES * PAGE, MADV_DONTDUMP));
	child = victim_fork();
	if (child == 0) {
		victim_set();
		victim_wait();
		CHECK(memory[PAGE] == 7 && memory[0] == 0 && memory[5 * PAGE] == 0);
		memory[9 * PAGE] = 9;
		_exit(0);
	}
}

static void memory_check(void)
{
	victim_reap(child);
	SAME(memory[9 * PAGE], 9);
	SAME(memory[3 * PAGE], 7);
	memset(memory, 1, PAGES * PAGE);
}

/* --- tasks -------------------------------------------------------------------------------------- */

static timer_t timer;

static void timers_set(void)
{
	struct itimerval t = { { 5, 0 }, { HOUR, 0 } };
	struct itimerspec spec = { { 7, 0 }, { HOUR, 0 } };
	struct sigevent ev = { .sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGRTMIN + 5 };

	ev.sigev_value.sival_int = 4711;
	SYS(setitimer(ITIMER_REAL, &t, NULL));
	SYS(timer_create(CLOCK_MONOTONIC, &ev, &timer));
	SYS(timer_delete(timer));
	SYS(timer_create(CLOCK_MONOTONIC, &ev, &timer));
	SYS(timer_settime(timer, 0, &spec, NULL));
}

static void timers_check(void)
{
	struct itimerspec spec, soon = { { 0, 0 }, { 0, 1 } };
	struct itimerval t;
	siginfo_t info;
	sigset_t set;

	SYS(getitimer(ITIMER_REAL, &t));
	CHECK(t.it_value.tv_sec > HOUR - 60 && t.it_interval.tv_sec == 5);
	SYS(timer_gettime(timer, &spec));
	CHECK(spec.it_value.tv_sec > HOUR - 60 && spec.it_interval.tv_sec == 7);
	sigemptyset(&set);
	sigaddset(&set, SIGRTMIN + 5);
	SYS(sigprocmask(SIG_BLOCK, &set, NULL));
	SYS(timer_settime(timer, 0, &soon, NULL));
	SAME(SYS(sigwaitinfo(&set, &info)), SIGRTMIN + 5);
	SAME(info.si_value.sival_int, 4711);
}

enum { QUEUED = 3 };

/* Blocked, for the process and for this thread, with their values and in their order. */
static void signals_set(void)
{
	sigset_t set;

	sigfillset(&set);
	SYS(sigprocmask(SIG_BLOCK, &set, NULL));
	for (int i = 0; i < QUEUED; i++)
		SYS(sigqueue(getpid(), SIGRTMIN + 3, (union sigval){ .sival_int = i }));
	SYS(raise(SIGUSR2)); /* for the thread */
	SYS(kill(getpid(), SIGUSR1));
}

static void signals_check(void)
{
	struct timespec none = { 0, 0 };
	siginfo_t info;
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGRTMIN + 3);
	for (int i = 0; i < QUEUED; i++) {
		SYS(sigtimedwait(&set, &info, &none));
		SAME(info.si_value.sival_int, i);
		SAME(info.si_pid, getpid());
	}
	sigfillset(&set);
	SAME(SYS(sigtimedwait(&set, &info, &none)), SIGUSR2);
	SAME(SYS(sigtimedwait(&set, &info, &none)), SIGUSR1);
	SAME(info.si_code, SI_USER);
	SAME(sigtimedwait(&set, &info, &none), -1);
}

static pid_t dead[2];

static void zombies_set(void)
{
	for (int i = 0; i < 2; i++) {
		siginfo_t info;

		dead[i] = SYS(fork());
		if (dead[i] == 0) {
			if (i)
				raise(SIGKILL);
			_exit(42);
		}
		SYS(waitid(P_PID, dead[i], &info, WEXITED | WNOWAIT));
	}
}

static void zombies_check(void)
{
	int status;

	SYS(waitpid(dead[0], &status, 0));
	SAME(status, 42 << 8);
	SYS(waitpid(dead[1], &status, 0));
	SAME(status, SIGKILL);
}

static void limits_set(void)
{
	struct rlimit files = { 100, 200 }, core = { 0, 0 };

	SYS(setrlimit(RLIMIT_NOFILE, &files));
	SYS(setrlimit(RLIMIT_CORE, &core));
	signal(SIGUSR1, SIG_IGN);
}

static void limits_check(void)
{
	struct sigaction now;
	struct rlimit limit;

	SYS(getrlimit(RLIMIT_NOFILE, &limit));
	SAME(limit.rlim_cur, 100);
	SAME(limit.rlim_max, 200);
	SYS(getrlimit(RLIMIT_CORE, &limit));
	SAME(limit.rlim_max, 0);
	SYS(sigaction(SIGUSR1, NULL, &now));
	CHECK(now.sa_handler == SIG_IGN);
}

/* A thread that writes all the while, page after page, and finds in each what it wrote there the last time. */
enum { WRITTEN_PAGES = 1024 };
static volatile bool enough;

static void *write_on(void *arg)
{
	uint64_t *at = arg;

	victim_set();
	for (uint64_t step = WRITTEN_PAGES; !enough; step++) {
		uint64_t *word = &at[step % WRITTEN_PAGES * (PAGE / sizeof(*at))];

		CHECK(*word == step - WRITTEN_PAGES, "step %lld finds %lld", (long long)step,
		      (long long)*word);
		*word = step;
	}
	return NULL;
}

static void written_set(void)
{
	const size_t size = (size_t)WRITTEN_PAGES * PAGE;

	memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	for (uint64_t step = 0; step < WRITTEN_PAGES; step++)
		memcpy(memory + step * PAGE, &step, sizeof(step));
	victim_thread(write_on, memory);
}

static void written_check(void)
{
	victim_sleep_ms(100);
	enough = true;
	victim_join();
}

static const struct plain_kind kinds[] = {
	{ "guard", guard_set, guard_check },	   { "memory", memory_set, memory_check },
	{ "timers", timers_set, timers_check },	   { "signals", signals_set, signals_check },
	{ "zombies", zombies_set, zombies_check }, { "limits", limits_set, limits_check },
	{ "written", written_set, written_check },
};

int main(int argc, char **argv)
{
	return plain_main(kinds, sizeof(kinds) / sizeof(kinds[0]), argc == 2 ? argv[1] : NULL);
}
