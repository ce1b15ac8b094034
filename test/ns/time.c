/*
 * Clocks of a time namespace of its own, one far ahead, one behind; a sleep until a point of time, and a timer. What passes between
 * dump and restore does not pass in there: the real time tells how long that was.
 */
#include <fcntl.h>
#include <sched.h>
#include <sys/timerfd.h>
#include <time.h>

#include "test/lib/victim.h"

#ifndef CLONE_NEWTIME
#define CLONE_NEWTIME 0x80
#endif

#define AHEAD 1000000L
#define SLEEP_S 3

static double seconds(clockid_t clock)
{
	struct timespec now;

	SYS(clock_gettime(clock, &now));
	return now.tv_sec + now.tv_nsec / 1e9;
}

static void enter(void)
{
	char text[64];
	int fd;

	if (unshare(CLONE_NEWTIME) < 0)
		victim_skip("no time namespace can be made");
	snprintf(text, sizeof(text), "monotonic %ld 500000000\nboottime -1 0\n", AHEAD);
	fd = SYS(open("/proc/self/timens_offsets", O_WRONLY));
	SYS(write(fd, text, strlen(text)));
	SYS(close(fd));
	fd = SYS(open("/proc/self/ns/time_for_children", O_RDONLY));
	SYS(setns(fd, CLONE_NEWTIME));
	SYS(close(fd));
}

static double woken, due;

static void *sleeper(void *arg)
{
	struct timespec until;

	(void)arg;
	SYS(clock_gettime(CLOCK_MONOTONIC, &until));
	until.tv_sec += SLEEP_S;
	due = until.tv_sec + until.tv_nsec / 1e9;
	victim_set();
	while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL) == EINTR)
		;
	woken = seconds(CLOCK_MONOTONIC);
	return NULL;
}

int main(int argc, char **argv)
{
	struct itimerspec at = { .it_value.tv_sec = 0 };
	double was[3], is[3], away = argc > 1 ? atof(argv[1]) : 0;
	uint64_t count;
	int fd;

	enter();
	victim_thread(sleeper, NULL);
	fd = SYS(timerfd_create(CLOCK_MONOTONIC, 0));
	SYS(clock_gettime(CLOCK_MONOTONIC, &at.it_value));
	at.it_value.tv_sec += SLEEP_S;
	SYS(timerfd_settime(fd, TFD_TIMER_ABSTIME, &at, NULL));
	was[0] = seconds(CLOCK_REALTIME);
	was[1] = seconds(CLOCK_MONOTONIC);
	was[2] = seconds(CLOCK_BOOTTIME);
	CHECK(was[1] - was[2] > AHEAD, "%f %f", was[1], was[2]);
	victim_ready();
	is[0] = seconds(CLOCK_REALTIME);
	is[1] = seconds(CLOCK_MONOTONIC);
	is[2] = seconds(CLOCK_BOOTTIME);
	for (int i = 1; i < 3; i++) {
		CHECK(is[i] >= was[i], "clock %d: %f, it was %f", i, is[i], was[i]);
		CHECK(is[i] - was[i] <= is[0] - was[0] - away + 0.1,
		      "clock %d: %f have passed, and %f outside", i, is[i] - was[i],
		      is[0] - was[0]);
	}
	victim_join();
	CHECK(woken >= due, "%f, due %f", woken, due);
	SYS(read(fd, &count, sizeof(count)));
	CHECK(seconds(CLOCK_MONOTONIC) >= due, "too early");
	victim_ok();
}
