/* Timers on the processor time of one thread: they go on with that thread's time, and tell that thread. */
#include <signal.h>
#include <sys/syscall.h>
#include <time.h>

#include "test/lib/victim.h"

#define MS 1000000L

static int create(int sig)
{
	struct sigevent event = { .sigev_notify = SIGEV_THREAD_ID, .sigev_signo = sig };
	struct itimerspec spec = { { 0, 0 }, { 0, 300 * MS } };
	int id;

	event._sigev_un._tid = (int)syscall(SYS_gettid);
	SYS(syscall(SYS_timer_create, CLOCK_THREAD_CPUTIME_ID, &event, &id));
	SYS(syscall(SYS_timer_settime, id, 0, &spec, NULL));
	return id;
}

static bool pending(int sig)
{
	sigset_t set;

	SYS(sigpending(&set));
	return sigismember(&set, sig);
}

/* It uses its processor; the others do not. */
static void *busy(void *arg)
{
	int sig = (int)(long)arg, id = create(sig);
	struct itimerspec left;

	victim_set();
	victim_wait();
	SYS(syscall(SYS_timer_gettime, id, &left));
	CHECK(left.it_value.tv_nsec > 200 * MS, "%ld ns left", left.it_value.tv_nsec);
	while (!pending(sig))
		;
	return NULL;
}

static void *idle(void *arg)
{
	int sig = (int)(long)arg, id = create(sig);
	struct itimerspec left;

	victim_set();
	victim_wait();
	victim_sleep_ms(600);
	CHECK(!pending(sig));
	SYS(syscall(SYS_timer_gettime, id, &left));
	CHECK(left.it_value.tv_nsec > 200 * MS, "%ld ns left", left.it_value.tv_nsec);
	return NULL;
}

int main(void)
{
	sigset_t all;

	sigfillset(&all);
	SYS(sigprocmask(SIG_SETMASK, &all, NULL));
	victim_thread(busy, (void *)40L);
	victim_thread(idle, (void *)41L);
	victim_ready();
	victim_join();
	victim_ok();
}
