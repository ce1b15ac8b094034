/*
 * restored ROUNDS: memory that parent and child have in common since the fork, and of which each writes some pages a round; a
 * thread waits in it. What each page has to hold is kept elsewhere.
 */
#include <pthread.h>
#include <sys/mman.h>

#include "test/lib/victim.h"

enum { PAGE = 4096, PAGES = 4096, WORDS = PAGE / 8, WRITTEN = 10 };

struct common {
	volatile int round, child;
};

static uint64_t *mem;
static uint64_t model[PAGES];
static struct common *common;
static pthread_mutex_t locked;

static void put(int page, uint64_t seed)
{
	model[page] = seed * 0x9e3779b97f4a7c15ULL | 1;
	for (int i = 0; i < WORDS; i++)
		mem[page * WORDS + i] = model[page] + i;
}

static void check_all(const char *who)
{
	for (int page = 0; page < PAGES; page++)
		for (int i = 0; i < WORDS; i++)
			CHECK(mem[page * WORDS + i] == (model[page] ? model[page] + i : 0),
			      "%s: page %d word %d is %#lx, the page began with %#lx", who, page, i,
			      (unsigned long)mem[page * WORDS + i], (unsigned long)model[page]);
}

/* Also a page that is given back, and one that is given back and written. */
static void write_some(int who, int round)
{
	int first = 2000 * who + 100 * round;

	for (int i = 0; i < WRITTEN; i++)
		put(first + 2 * i, 1000000 * who + 1000 * round + i + 1);
	SYS(madvise(&mem[(first + 50) * WORDS], 2 * PAGE, MADV_DONTNEED));
	model[first + 50] = model[first + 51] = 0;
	put(first + 51, 7 * round + who + 1);
}

static _Noreturn void child(void)
{
	write_some(1, 0);
	victim_set();
	while (common->round >= 0) {
		if (common->round > common->child) {
			write_some(1, common->child + 1);
			common->child++;
		}
		victim_sleep_ms(1);
	}
	check_all("child");
	_exit(0);
}

static void next_round(int round)
{
	write_some(0, round);
	common->round = round;
	while (common->child < round)
		victim_sleep_ms(1);
}

static void *wait_in_thread(void *arg)
{
	pthread_mutex_lock(&locked);
	victim_set();
	victim_wait();
	return arg;
}

int main(int argc, char **argv)
{
	int rounds = argc > 1 ? atoi(argv[1]) : 1;
	pthread_mutexattr_t robust;
	pid_t pid;

	mem = SYS(mmap(NULL, PAGES * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1,
		       0));
	SYS(madvise(mem, PAGES * PAGE, MADV_NOHUGEPAGE));
	for (int page = 0; page < PAGES; page++)
		put(page, page + 1);
	common = victim_shared(sizeof(*common));
	pthread_mutexattr_init(&robust);
	pthread_mutexattr_setrobust(&robust, PTHREAD_MUTEX_ROBUST);
	pthread_mutex_init(&locked, &robust);
	pid = victim_fork();
	if (pid == 0)
		child();
	victim_thread(wait_in_thread, NULL);
	for (int round = 1; round <= rounds; round++) {
		victim_ready();
		next_round(round);
	}
	victim_ready();
	victim_join();
	CHECK(pthread_mutex_lock(&locked) == EOWNERDEAD, "its owner has ended with it");
	check_all("parent");
	common->round = -1;
	victim_reap(pid);
	victim_ok();
}
