/*
 * "foreign": a vDSO that is not the running kernel's (one of its unused bytes is another), so that after the restore its
 * functions lead into the kernel's; saved twice, so that such a process is saved as well. "gone": a process that has none.
 */
#include <link.h>
#include <sched.h>
#include <stddef.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>

#include "test/mm/smaps.h"

struct range {
	unsigned long start, end;
};

/* All mappings whose name begins so. */
static int find(const char *name, struct range *ret, int room)
{
	FILE *f = fopen("/proc/self/maps", "re");
	char line[512];
	int count = 0;

	CHECK(f);
	while (fgets(line, sizeof(line), f)) {
		const char *at = strstr(line, name);

		if (!at || at[-1] != ' ')
			continue;
		CHECK(count < room);
		CHECK(sscanf(line, "%lx-%lx", &ret[count].start, &ret[count].end) == 2);
		count++;
	}
	fclose(f);
	return count;
}

static void check_clocks(void)
{
	struct timespec vdso, kernel;
	struct timeval tv;
	unsigned int cpu = 99999;

	for (clockid_t clock = CLOCK_REALTIME; clock <= CLOCK_BOOTTIME; clock++) {
		int64_t difference;

		if (syscall(SYS_clock_gettime, clock, &kernel) < 0)
			continue;
		SYS(clock_gettime(clock, &vdso));
		difference = (vdso.tv_sec - kernel.tv_sec) * 1000000000LL + vdso.tv_nsec -
			     kernel.tv_nsec;
		CHECK(difference > -100000000 && difference < 1000000000, "clock %d: %ld ns", clock,
		      (long)difference);
	}
	SYS(clock_getres(CLOCK_MONOTONIC, &vdso));
	SYS(gettimeofday(&tv, NULL));
	SYS(syscall(SYS_clock_gettime, CLOCK_REALTIME, &kernel));
	CHECK(tv.tv_sec >= kernel.tv_sec - 1 && time(NULL) >= kernel.tv_sec - 1);
	SYS(getcpu(&cpu, NULL));
	CHECK(cpu < 8192);
}

static volatile bool over;

static void *ask(void *arg)
{
	struct timespec last = {}, now;

	victim_set();
	while (!over) {
		SYS(clock_gettime(CLOCK_MONOTONIC, &now));
		CHECK(now.tv_sec > last.tv_sec ||
		      (now.tv_sec == last.tv_sec && now.tv_nsec >= last.tv_nsec));
		last = now;
	}
	return arg;
}

/* Whether the code at the place of ours is the kernel's own mapping. */
static bool is_kernels(unsigned long at)
{
	struct range r[4];
	int count = find("[vdso]", r, 4);

	for (int i = 0; i < count; i++)
		if (r[i].start == at)
			return true;
	return false;
}

static void foreign(void)
{
	unsigned long at = getauxval(AT_SYSINFO_EHDR);
	char text[SMAPS_ROOM];
	struct range r[4];

	SAME(find("[vdso]", r, 4), 1);
	SAME(r[0].start, at);
	SYS(mprotect((void *)at, r[0].end - at, PROT_READ | PROT_WRITE | PROT_EXEC));
	/* e_flags means nothing here. */
	*(int *)(at + offsetof(ElfW(Ehdr), e_flags)) = 0x5a5a;
	SYS(mprotect((void *)at, r[0].end - at, PROT_READ | PROT_EXEC));
	victim_thread(ask, NULL);
	for (int round = 0; round < 3; round++) {
		victim_ready();
		CHECK(!is_kernels(at));
		SAME(find("[vdso]", r, 4), 1);
		SAME(getauxval(AT_SYSINFO_EHDR), at);
		SAME(*(int *)(at + offsetof(ElfW(Ehdr), e_flags)), 0x5a5a);
		check_clocks();
		smaps_read((void *)at, 4096, text);
		CHECK(strstr(text, "r-xp"), "%s", text);
	}
	over = true;
	victim_join();
}

static void same(void)
{
	unsigned long at = getauxval(AT_SYSINFO_EHDR);
	char before[SMAPS_ROOM], after[SMAPS_ROOM];

	smaps_read((char *)at - 0x10000, 0x20000, before);
	victim_ready();
	smaps_read((char *)at - 0x10000, 0x20000, after);
	same_text(after, before);
	check_clocks();
}

static void gone(void)
{
	struct range r[4];
	int count = find("[vvar", r, 4);

	/* libc has the addresses of its functions: from here on, no time. */
	for (int i = 0; i < count; i++)
		SYS(munmap((void *)r[i].start, r[i].end - r[i].start));
	SAME(find("[vdso]", r, 4), 1);
	SYS(munmap((void *)r[0].start, r[0].end - r[0].start));
	victim_ready();
	SAME(find("[vdso]", r, 4), 0);
	SAME(find("[vvar", r, 4), 0);
}

int main(int argc, char **argv)
{
	const char *what = argc > 1 ? argv[1] : "";

	if (!getauxval(AT_SYSINFO_EHDR))
		victim_skip("there is no vDSO");
	if (strcmp(what, "foreign") == 0)
		foreign();
	else if (strcmp(what, "gone") == 0)
		gone();
	else
		same();
	victim_ok();
}
