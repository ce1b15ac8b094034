/* Interval timers: the time left, not counting the time in which the process did not exist, and the period. */
#include <signal.h>
#include <sys/time.h>

#include "test/lib/victim.h"

static volatile int virtual_ticks;

static void count(int sig)
{
	virtual_ticks += sig == SIGVTALRM;
}

static int64_t us(struct timeval t)
{
	return t.tv_sec * 1000000LL + t.tv_usec;
}

/* The test lets three seconds pass between dump and restore, 23 if the processor is emulated. */
static void is_as_it_was(int which, const struct itimerval *was)
{
	int64_t most = getenv("EMULATED") ? 22500000 : 2500000;
	struct itimerval now;

	SYS(getitimer(which, &now));
	SAME(us(now.it_interval), us(was->it_interval));
	CHECK(us(now.it_value) <= us(was->it_value) && us(now.it_value) > us(was->it_value) - most,
	      "%ld of %ld us left", (long)us(now.it_value), (long)us(was->it_value));
}

int main(void)
{
	struct itimerval real = { { 1, 500001 }, { 5000, 250000 } };
	struct itimerval prof = { { 3, 7 }, { 4000, 9 } };
	struct itimerval virtual = { { 0, 20000 }, { 0, 20000 } }, now;

	signal(SIGVTALRM, count);
	SYS(setitimer(ITIMER_REAL, &real, NULL));
	SYS(setitimer(ITIMER_PROF, &prof, NULL));
	SYS(setitimer(ITIMER_VIRTUAL, &virtual, NULL));
	/* The kernel rounds what it is given: it may not do so once more. */
	SYS(getitimer(ITIMER_REAL, &real));
	SYS(getitimer(ITIMER_PROF, &prof));
	SYS(getitimer(ITIMER_VIRTUAL, &virtual));
	victim_ready();
	is_as_it_was(ITIMER_REAL, &real);
	is_as_it_was(ITIMER_PROF, &prof);
	/* The one that counts our own time goes on ticking. */
	for (int was = virtual_ticks; virtual_ticks < was + 3;)
		;
	SYS(getitimer(ITIMER_VIRTUAL, &now));
	SAME(us(now.it_interval), us(virtual.it_interval));
	victim_ok();
}
