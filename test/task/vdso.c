/* Threads that ask for the time all the while, without a system call: it works, and never goes back. */
#include <sched.h>
#include <sys/time.h>
#include <time.h>

#include "test/lib/victim.h"

static volatile bool over;
static volatile uint64_t asked[3];

static int64_t in_ns(clockid_t clock)
{
	struct timespec now;

	SYS(clock_gettime(clock, &now));
	return now.tv_sec * 1000000000LL + now.tv_nsec;
}

static void *ask_vdso(void *arg)
{
	clockid_t clock = (long)arg;
	int64_t last = in_ns(clock);

	victim_set();
	while (!over) {
		int64_t now = in_ns(clock);

		CHECK(now >= last, "clock %d goes back by %ld ns", clock, (long)(last - now));
		last = now;
		asked[clock]++;
	}
	return NULL;
}

/* The page at a fixed address that old programs call; the kernel emulates it. */
static void *ask_vsyscall(void *arg)
{
	time_t (*vsyscall_time)(time_t *) = (time_t(*)(time_t *))0xffffffffff600400;

	victim_set();
	while (!over) {
		time_t now = vsyscall_time(NULL);

		CHECK(now > 1600000000, "it says %ld", (long)now);
		asked[2]++;
	}
	return arg;
}

static bool has_vsyscall(void)
{
	char line[512];
	FILE *maps = fopen("/proc/self/maps", "re");
	bool found = false;

	CHECK(maps);
	while (fgets(line, sizeof(line), maps))
		found |= strstr(line, "[vsyscall]") != NULL;
	fclose(maps);
	return found;
}

int main(int argc, char **argv)
{
	bool old = argc > 1 && strcmp(argv[1], "vsyscall") == 0;
	uint64_t was[3];

	if (old && !has_vsyscall())
		victim_skip("this kernel has no vsyscall page");
	if (old) {
		victim_thread(ask_vsyscall, NULL);
	} else {
		victim_thread(ask_vdso, (void *)CLOCK_MONOTONIC);
		victim_thread(ask_vdso, (void *)CLOCK_REALTIME);
	}
	victim_ready();
	memcpy(was, (void *)asked, sizeof(was));
	while (old ? asked[2] == was[2] : asked[0] == was[0] || asked[1] == was[1])
		victim_sleep_ms(1);
	over = true;
	victim_join();
	CHECK(sched_getcpu() >= 0);
	victim_ok();
}
