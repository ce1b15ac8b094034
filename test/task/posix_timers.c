/*
 * POSIX timers: their ids with the gaps between them, clocks, the time left, periods, what they tell
 * whom, and how often they have run over.
 */
#include <signal.h>
#include <sys/syscall.h>
#include <time.h>

#include "test/lib/victim.h"

#define VALUE(i) ((void *)(0x7000000000 + (i)))

static const struct {
	clockid_t clock;
	int notify, sig;
	struct itimerspec spec;
	int flags;
	bool deleted;
} timers[] = {
	{ CLOCK_MONOTONIC, SIGEV_SIGNAL, 34, { { 0, 10000000 }, { 0, 10000000 } }, 0, false },
	{ CLOCK_REALTIME, SIGEV_SIGNAL, SIGUSR1, { { 3, 5 }, { 1000, 0 } }, 0, true },
	{ CLOCK_REALTIME, SIGEV_SIGNAL, SIGUSR2, { { 3, 5 }, { 1000, 0 } }, 0, false },
	{ CLOCK_BOOTTIME, SIGEV_NONE, 0, { { 0, 0 }, { 2000, 0 } }, 0, true },
	{ CLOCK_BOOTTIME, SIGEV_NONE, 0, { { 0, 123456789 }, { 2000, 0 } }, 0, false },
	{ CLOCK_MONOTONIC,
	  SIGEV_THREAD_ID | SIGEV_SIGNAL,
	  36,
	  { { 0, 0 }, { 3000, 0 } },
	  0,
	  false },
	{ CLOCK_PROCESS_CPUTIME_ID, SIGEV_SIGNAL, 37, { { 5, 0 }, { 4000, 0 } }, 0, false },
	{ CLOCK_MONOTONIC, SIGEV_SIGNAL, 38, { { 0, 0 }, { 0, 0 } }, 0, false },
};

#define TIMERS (int)(sizeof(timers) / sizeof(timers[0]))

static int ids[TIMERS];
static pid_t listener;

static int create(int i)
{
	struct sigevent event = { .sigev_notify = timers[i].notify, .sigev_signo = timers[i].sig };
	int id;

	event.sigev_value.sival_ptr = VALUE(i);
	event._sigev_un._tid = timers[i].notify & SIGEV_THREAD_ID ? listener : 0;
	SYS(syscall(SYS_timer_create, timers[i].clock, &event, &id));
	SYS(syscall(SYS_timer_settime, id, timers[i].flags, &timers[i].spec, NULL));
	return id;
}

static siginfo_t wait_for(int sig)
{
	uint64_t set = 1ULL << (sig - 1);
	siginfo_t info;

	SAME(SYS(syscall(SYS_rt_sigtimedwait, &set, &info, NULL, 8)), sig);
	SAME(info.si_code, SI_TIMER);
	return info;
}

static void *listen_here(void *arg)
{
	siginfo_t info;

	victim_set();
	victim_wait();
	info = wait_for(36);
	SAME((uint64_t)info.si_value.sival_ptr, (uint64_t)VALUE(5));
	return arg;
}

static void look_at(int i)
{
	struct itimerspec now, soon = { { 0, 0 }, { 0, 1000000 } };
	siginfo_t info;

	SYS(syscall(SYS_timer_gettime, ids[i], &now));
	SAME(now.it_interval.tv_sec, timers[i].spec.it_interval.tv_sec);
	SAME(now.it_interval.tv_nsec, timers[i].spec.it_interval.tv_nsec);
	CHECK(now.it_value.tv_sec >= timers[i].spec.it_value.tv_sec - 60 &&
		      now.it_value.tv_sec <= timers[i].spec.it_value.tv_sec,
	      "timer %d has %ld s left", i, (long)now.it_value.tv_sec);
	/* Does it still tell the same, the same way? */
	if (timers[i].notify == SIGEV_NONE || timers[i].clock == CLOCK_PROCESS_CPUTIME_ID)
		return;
	SYS(syscall(SYS_timer_settime, ids[i], 0, &soon, NULL));
	if (timers[i].notify & SIGEV_THREAD_ID)
		return;
	info = wait_for(timers[i].sig);
	SAME(info.si_timerid, ids[i]);
	SAME((uint64_t)info.si_value.sival_ptr, (uint64_t)VALUE(i));
}

int main(void)
{
	sigset_t all;
	siginfo_t info;
	int id;

	sigfillset(&all);
	SYS(sigprocmask(SIG_SETMASK, &all, NULL));
	listener = victim_thread(listen_here, NULL);
	for (int i = 0; i < TIMERS; i++)
		ids[i] = create(i);
	for (int i = 0; i < TIMERS; i++)
		if (timers[i].deleted)
			SYS(syscall(SYS_timer_delete, ids[i]));
	/* The first one runs over many times while its signal waits. */
	victim_sleep_ms(300);
	victim_ready();
	info = wait_for(timers[0].sig);
	SAME(info.si_timerid, ids[0]);
	SAME((uint64_t)info.si_value.sival_ptr, (uint64_t)VALUE(0));
	CHECK(info.si_overrun >= 25, "it has run over %d times", info.si_overrun);
	for (int i = 1; i < TIMERS; i++)
		if (!timers[i].deleted)
			look_at(i);
	for (int i = 0; i < TIMERS; i++)
		if (timers[i].deleted)
			CHECK(syscall(SYS_timer_delete, ids[i]) < 0, "a deleted timer is back");
	id = create(1);
	for (int i = 0; i < TIMERS; i++)
		CHECK(id != ids[i] || timers[i].deleted, "the id of a timer was given twice");
	victim_join();
	victim_ok();
}
