/* The small things that the kernel keeps for a task, each a number to be read before and after. */
#include <fcntl.h>
#include <linux/membarrier.h>
#include <signal.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "test/lib/victim.h"

#define MEMBARRIER_GET_REGISTRATIONS (1 << 9) /* newer than the headers */

static uint64_t own(const char *file, const char *key, int base)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/self/task/%ld/%s", syscall(SYS_gettid), file);
	return victim_proc(path, key, base);
}

static uint64_t get_personality(void)
{
	return personality(0xffffffff);
}

static uint64_t get_oom(void)
{
	return own("oom_score_adj", "", 10);
}

static uint64_t get_umask(void)
{
	return own("status", "Umask:", 8);
}

static uint64_t get_membarrier(void)
{
	return syscall(SYS_membarrier, MEMBARRIER_GET_REGISTRATIONS, 0, 0);
}

static uint64_t get_name(void)
{
	char name[16] = "";

	SYS(prctl(PR_GET_NAME, name));
	return *(uint64_t *)name ^ *(uint64_t *)(name + 8);
}

static uint64_t get_robust(void)
{
	void *head;
	size_t size;

	SYS(syscall(SYS_get_robust_list, 0, &head, &size));
	return (uint64_t)head + size;
}

static const struct {
	const char *name;
	uint64_t (*get)(void);
	int ask;  /* or a prctl that returns it */
	int into; /* or one that writes it */
} things[] = {
	{ "dumpable", .ask = PR_GET_DUMPABLE },
	{ "subreaper", .into = PR_GET_CHILD_SUBREAPER },
	{ "THP flag", .ask = PR_GET_THP_DISABLE },
	{ "oom_score_adj", .get = get_oom },
	{ "umask", .get = get_umask },
	{ "membarrier registrations", .get = get_membarrier },
	{ "personality", .get = get_personality },
	{ "name", .get = get_name },
	{ "parent-death signal", .into = PR_GET_PDEATHSIG },
	{ "timer slack", .ask = PR_GET_TIMERSLACK },
	{ "clear_child_tid", .into = PR_GET_TID_ADDRESS },
	{ "robust list", .get = get_robust },
	{ "keep capabilities", .ask = PR_GET_KEEPCAPS },
};

#define THINGS (sizeof(things) / sizeof(things[0]))

static uint64_t read_thing(size_t i)
{
	uint64_t value = 0;

	if (things[i].get)
		return things[i].get();
	if (things[i].ask)
		return SYS(prctl(things[i].ask, 0, 0, 0, 0));
	SYS(prctl(things[i].into, &value, 0, 0, 0));
	return value;
}

static void put(const char *path, const char *text)
{
	int fd = SYS(open(path, O_WRONLY));

	SYS(write(fd, text, strlen(text)));
	close(fd);
}

static void set_process(void)
{
	SYS(prctl(PR_SET_CHILD_SUBREAPER, 1));
	SYS(prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0));
	put("/proc/self/oom_score_adj", "321");
	umask(0137);
	SYS(syscall(SYS_membarrier, MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED, 0, 0));
	SYS(syscall(SYS_membarrier, MEMBARRIER_CMD_REGISTER_GLOBAL_EXPEDITED, 0, 0));
	SYS(prctl(PR_SET_DUMPABLE, 0));
}

static void set_thread(int number)
{
	char name[16];

	snprintf(name, sizeof(name), "a) R %d (", number);
	SYS(prctl(PR_SET_NAME, name));
	SYS(personality(number == 1 ? ADDR_NO_RANDOMIZE | UNAME26 : MMAP_PAGE_ZERO));
	SYS(prctl(PR_SET_PDEATHSIG, SIGUSR1 + number));
	SYS(prctl(PR_SET_TIMERSLACK, 77777 + number));
	SYS(prctl(PR_SET_KEEPCAPS, number % 2));
}

static void remember(uint64_t *was)
{
	for (size_t i = 0; i < THINGS; i++)
		was[i] = read_thing(i);
}

static void compare(const uint64_t *was)
{
	for (size_t i = 0; i < THINGS; i++) {
		uint64_t is = read_thing(i);

		CHECK(is == was[i], "%s is %lx, it was %lx", things[i].name, is, was[i]);
	}
}

static void *thread(void *arg)
{
	uint64_t was[THINGS];

	set_thread((long)arg);
	remember(was);
	victim_set();
	victim_wait();
	compare(was);
	return NULL;
}

int main(void)
{
	uint64_t was[THINGS];

	set_process();
	victim_thread(thread, (void *)1);
	victim_thread(thread, (void *)2);
	set_thread(3);
	remember(was);
	victim_ready();
	compare(was);
	SYS(syscall(SYS_membarrier, MEMBARRIER_CMD_PRIVATE_EXPEDITED, 0, 0));
	victim_join();
	victim_ok();
}
