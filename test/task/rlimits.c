/* All resource limits, soft and hard; also those that would be in the way of a restore that sets them too early. */
#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>

#include "test/lib/victim.h"

static const struct {
	int what;
	struct rlimit64 limit;
} limits[] = {
	{ RLIMIT_CPU, { 100000, 200000 } },
	{ RLIMIT_FSIZE, { 2000, 1 << 30 } },
	{ RLIMIT_DATA, { 1 << 30, RLIM64_INFINITY } },
	{ RLIMIT_STACK, { 4 << 20, 1 << 30 } },
	{ RLIMIT_CORE, { 0, 0 } },
	{ RLIMIT_RSS, { 12345678, 23456789 } },
	{ RLIMIT_NPROC, { 0, 4711 } },
	{ RLIMIT_NOFILE, { 5, 50 } },
	{ RLIMIT_MEMLOCK, { 4096, 8192 } },
	{ RLIMIT_AS, { 64 << 20, RLIM64_INFINITY } },
	{ RLIMIT_LOCKS, { 17, 18 } },
	{ RLIMIT_SIGPENDING, { 3, 500 } },
	{ RLIMIT_MSGQUEUE, { 1000, 2000 } },
	{ RLIMIT_NICE, { 0, 0 } },
	{ RLIMIT_RTPRIO, { 0, 0 } },
	{ RLIMIT_RTTIME, { 1000000, 2000000 } },
};

#define LIMITS (sizeof(limits) / sizeof(limits[0]))

int main(void)
{
	struct rlimit64 now;
	sigset_t some;
	int high;

	/* An open descriptor above the limit, and more signals pending than may be. */
	high = SYS(fcntl(SYS(open("/dev/null", O_RDWR)), F_DUPFD, 40));
	sigemptyset(&some);
	sigaddset(&some, SIGRTMIN);
	SYS(sigprocmask(SIG_BLOCK, &some, NULL));
	for (int i = 0; i < 5; i++)
		SYS(sigqueue(getpid(), SIGRTMIN, (union sigval){ .sival_int = i }));
	for (size_t i = 0; i < LIMITS; i++)
		SYS(setrlimit64(limits[i].what, &limits[i].limit));
	victim_ready();
	for (size_t i = 0; i < LIMITS; i++) {
		SYS(getrlimit64(limits[i].what, &now));
		CHECK(now.rlim_cur == limits[i].limit.rlim_cur, "soft limit %d is %ld",
		      limits[i].what, (long)now.rlim_cur);
		CHECK(now.rlim_max == limits[i].limit.rlim_max, "hard limit %d is %ld",
		      limits[i].what, (long)now.rlim_max);
	}
	SYS(fcntl(high, F_GETFD));
	for (int i = 0; i < 5; i++) {
		siginfo_t info;

		SYS(sigwaitinfo(&some, &info));
		SAME(info.si_value.sival_int, i);
	}
	victim_ok();
}
