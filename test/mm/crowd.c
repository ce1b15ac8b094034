/*
 * Processes with very much and with very little memory of their own, beside some that all of them share copy-on-write: what
 * they have is saved by threads that each take another process.
 */
#include <sys/mman.h>

#include "test/mm/smaps.h"

#define KIB 1024UL
#define COMMON (512 * KIB)

static const size_t sizes[] = { 20480 * KIB, 4 * KIB,	 12288 * KIB, 0,	   1028 * KIB,
				300 * KIB,   9216 * KIB, 4 * KIB,     33 * 4 * KIB };
enum { COUNT = sizeof(sizes) / sizeof(*sizes) };

static char *map(size_t size)
{
	return SYS(mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
}

/* A gap in the middle of what is large enough. */
static char *have(int number)
{
	size_t size = sizes[number], half = size / 2;
	char *at = size ? map(size) : NULL;

	if (at)
		fill(at, size, 1000 * (number + 1));
	if (size > 64 * KIB)
		memset(at + half / 4096 * 4096, 0, 4096);
	return at;
}

static void look(int number, char *at, char *common)
{
	size_t size = sizes[number], half = size / 2 / 4096 * 4096;

	CHECK(filled(common, COMMON, 7), "process %d", number);
	if (!at)
		return;
	if (size > 64 * KIB) {
		CHECK(zeroed(at + half, 4096), "process %d", number);
		CHECK(filled(at, half, 1000 * (number + 1)), "process %d", number);
		return;
	}
	CHECK(filled(at, size, 1000 * (number + 1)), "process %d", number);
}

static pid_t child(int number, char *common)
{
	pid_t pid = victim_fork();
	char *at;

	if (pid)
		return pid;
	at = have(number);
	victim_set();
	victim_wait();
	look(number, at, common);
	_exit(0);
}

int main(void)
{
	char *common = map(COMMON), *at;
	pid_t pids[COUNT];

	fill(common, COMMON, 7);
	for (int i = 1; i < COUNT; i++)
		pids[i] = child(i, common);
	at = have(0);
	victim_ready();
	look(0, at, common);
	for (int i = 1; i < COUNT; i++)
		victim_reap(pids[i]);
	victim_ok();
}
