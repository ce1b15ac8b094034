/* timerfd: time left, periods, unread ticks; relative and absolute, armed or not. Time in between does not count. */
#include "test/lib/fds.h"

#include <sys/timerfd.h>
#include <time.h>

static struct fds before;

static int make(int clock, int flags, long value_ms, long interval_ms)
{
	struct itimerspec t = {
		.it_value = { value_ms / 1000, value_ms % 1000 * 1000000 },
		.it_interval = { interval_ms / 1000, interval_ms % 1000 * 1000000 },
	};
	int fd = SYS(timerfd_create(clock, TFD_NONBLOCK | TFD_CLOEXEC));
	struct timespec now;

	if (flags & TFD_TIMER_ABSTIME) {
		SYS(clock_gettime(clock, &now));
		t.it_value.tv_sec += now.tv_sec;
		t.it_value.tv_nsec = now.tv_nsec;
	}
	SYS(timerfd_settime(fd, flags, &t, NULL));
	return fd;
}

static long left_ms(int fd)
{
	struct itimerspec t;

	SYS(timerfd_gettime(fd, &t));
	return t.it_value.tv_sec * 1000 + t.it_value.tv_nsec / 1000000;
}

static void about(int fd, long was)
{
	long is = left_ms(fd);

	/* Until the stop it runs, which takes ten times as long where the processor is emulated. */
	CHECK(is <= was && is > was - (getenv("EMULATED") ? 20000 : 2000), "%ld ms left of %ld", is,
	      was);
}

int main(void)
{
	int relative = make(CLOCK_MONOTONIC, 0, 100000, 0);
	int absolute = make(CLOCK_REALTIME, TFD_TIMER_ABSTIME, 100000, 0);
	int boot = make(CLOCK_BOOTTIME, TFD_TIMER_ABSTIME, 50000, 7000);
	int disarmed = make(CLOCK_MONOTONIC, 0, 0, 0);
	int expired = make(CLOCK_MONOTONIC, 0, 1, 0);
	int periodic = make(CLOCK_MONOTONIC, 0, 1, 40000);
	int fast = make(CLOCK_MONOTONIC, 0, 1, 1);
	long was[3];
	uint64_t ticks, first;

	victim_sleep_ms(100);
	fds_note(&before);
	was[0] = left_ms(relative);
	was[1] = left_ms(absolute);
	was[2] = left_ms(boot);
	victim_ready();
	fds_check(&before);
	about(relative, was[0]);
	about(absolute, was[1]);
	about(boot, was[2]);
	SAME(victim_proc("/proc/self/fdinfo/4", "settime flags:", 8), TFD_TIMER_ABSTIME);
	SAME(victim_proc("/proc/self/fdinfo/5", "clockid:", 10), CLOCK_BOOTTIME);
	SAME(left_ms(disarmed), 0);
	SAME(read(disarmed, &ticks, sizeof(ticks)), -1);
	SAME(SYS(read(expired, &ticks, sizeof(ticks))), sizeof(ticks));
	SAME(ticks, 1);
	SAME(SYS(read(periodic, &ticks, sizeof(ticks))), sizeof(ticks));
	SAME(ticks, 1);
	CHECK(left_ms(periodic) > 30000);
	SAME(SYS(read(fast, &first, sizeof(first))), sizeof(first));
	CHECK(first >= 99, "%lu ticks", first);
	victim_sleep_ms(10);
	SAME(SYS(read(fast, &ticks, sizeof(ticks))), sizeof(ticks));
	CHECK(ticks >= 9, "%lu ticks", ticks);
	victim_ok();
}
