/*
 * "foreign": a vDSO that is not the running kernel's (one of its unused bytes is another), so that after the restore its
 * functions lead into the kernel's; saved twice, so that such a process is saved as well. "entering": the same, for threads
 * that stand among the first instructions of such a function, or of one of the kernel's that it leads to. "gone": a process that has none.
 */
#include <dlfcn.h>
#include <link.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/user.h>
#include <sys/wait.h>
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

static void make_foreign(unsigned long at)
{
	struct range r[4];

	SAME(find("[vdso]", r, 4), 1);
	SAME(r[0].start, at);
	SYS(mprotect((void *)at, r[0].end - at, PROT_READ | PROT_WRITE | PROT_EXEC));
	/* e_flags means nothing here. */
	*(int *)(at + offsetof(ElfW(Ehdr), e_flags)) = 0x5a5a;
	SYS(mprotect((void *)at, r[0].end - at, PROT_READ | PROT_EXEC));
}

static void foreign(void)
{
	unsigned long at = getauxval(AT_SYSINFO_EHDR);
	struct range first = {}, r[4];
	char text[SMAPS_ROOM];

	make_foreign(at);
	victim_thread(ask, NULL);
	for (int round = 0; round < 3; round++) {
		victim_ready();
		CHECK(!is_kernels(at));
		SAME(find("[vdso]", r, 4), 1);
		/* What was parked stays where it is: nothing piles up. */
		first = round ? first : r[0];
		SAME(r[0].start, first.start);
		SAME(getauxval(AT_SYSINFO_EHDR), at);
		SAME(*(int *)(at + offsetof(ElfW(Ehdr), e_flags)), 0x5a5a);
		check_clocks();
		smaps_read((void *)at, 4096, text);
		CHECK(strstr(text, "r-xp"), "%s", text);
	}
	over = true;
	victim_join();
}

typedef int clock_fn(clockid_t, struct timespec *);

static _Noreturn void enter(clock_fn *gettime)
{
	struct timespec before, vdso = {}, after;

	SYS(ptrace(PTRACE_TRACEME, 0, NULL, NULL));
	SYS(syscall(SYS_clock_gettime, CLOCK_MONOTONIC, &before));
	raise(SIGSTOP);
	SAME(gettime(CLOCK_MONOTONIC, &vdso), 0);
	SYS(syscall(SYS_clock_gettime, CLOCK_MONOTONIC, &after));
	CHECK(vdso.tv_sec >= before.tv_sec && vdso.tv_sec <= after.tv_sec);
	check_clocks();
	_exit(0);
}

static unsigned long step(pid_t pid, int request)
{
	struct user_regs_struct regs;
	int status;

	SYS(ptrace(request, pid, NULL, NULL));
	SAME(SYS(waitpid(pid, &status, 0)), pid);
	CHECK(WIFSTOPPED(status));
	SYS(ptrace(PTRACE_GETREGS, pid, NULL, &regs));
	return regs.rip;
}

/* A child that is stopped after so many instructions of the function, among them the first, which has none behind it. */
static pid_t start_entering(clock_fn *gettime, int instructions)
{
	pid_t pid = SYS(fork());
	int status;

	if (pid == 0)
		enter(gettime);
	SAME(SYS(waitpid(pid, &status, 0)), pid);
	while (step(pid, PTRACE_SINGLESTEP) != (unsigned long)gettime)
		;
	while (instructions--)
		step(pid, PTRACE_SINGLESTEP);
	SYS(ptrace(PTRACE_DETACH, pid, NULL, (void *)SIGSTOP));
	return pid;
}

static void entering(void)
{
	void *vdso = dlopen("linux-vdso.so.1", RTLD_NOW | RTLD_NOLOAD);
	clock_fn *gettime = vdso ? (clock_fn *)dlsym(vdso, "__vdso_clock_gettime") : NULL;
	struct range parked[4];
	pid_t child[24];

	if (!gettime)
		victim_skip("this vDSO has no clock_gettime");
	make_foreign(getauxval(AT_SYSINFO_EHDR));
	for (int i = 0; i < 8; i++)
		child[i] = start_entering(gettime, i);
	victim_ready();
	/* The function begins with a jump now: before it, within, and behind, in the code of the running kernel. */
	for (int i = 8; i < 16; i++)
		child[i] = start_entering(gettime, i - 8);
	victim_ready();
	/* Now of a third kernel: inside what has been parked, and is not any more. */
	SAME(find("[vdso]", parked, 4), 1);
	make_foreign(parked[0].start);
	for (int i = 16; i < 24; i++)
		child[i] = start_entering(gettime, i - 16);
	victim_ready();
	SAME(find("[vdso]", parked + 1, 3), 1);
	CHECK(parked[0].start != parked[1].start);
	victim_ready();
	for (int i = 0; i < 24; i++)
		SYS(kill(child[i], SIGCONT));
	for (int i = 0; i < 24; i++)
		victim_reap(child[i]);
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
	else if (strcmp(what, "entering") == 0)
		entering();
	else if (strcmp(what, "gone") == 0)
		gone();
	else
		same();
	victim_ok();
}
