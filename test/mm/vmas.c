/*
 * Ten thousand mappings: every other page has other rights, some are missing, each knows its number. With "shared", each
 * is a shared object of its own.
 */
#include <sys/mman.h>

#include "test/mm/smaps.h"

#define PAGE 4096UL

static bool is_hole(int i)
{
	return i % 97 == 50;
}

static void shared(int count)
{
	char **at = calloc(count, sizeof(*at));

	for (int i = 0; i < count; i++) {
		at[i] = victim_shared(PAGE);
		*(int *)at[i] = i;
	}
	victim_ready();
	for (int i = 0; i < count; i++)
		SAME(*(int *)at[i], i);
	victim_ok();
}

int main(int argc, char **argv)
{
	int count = argc > 1 ? atoi(argv[1]) : 10000;
	char *mem;

	if (argc > 2)
		shared(count);
	mem = SYS(mmap(NULL, count * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1,
		       0));

	for (int i = 0; i < count; i++) {
		if (i % 3)
			*(int *)(mem + i * PAGE) = i;
		if (is_hole(i))
			SYS(munmap(mem + i * PAGE, PAGE));
		else if (i % 2)
			SYS(mprotect(mem + i * PAGE, PAGE, i % 4 == 1 ? PROT_READ : PROT_NONE));
	}
	victim_ready();
	for (int i = 0; i < count; i++) {
		char *at = mem + i * PAGE;

		if (is_hole(i)) {
			CHECK(msync(at, PAGE, MS_ASYNC) < 0 && errno == ENOMEM, "page %d", i);
			continue;
		}
		if (i % 2)
			SYS(mprotect(at, PAGE, PROT_READ));
		CHECK(*(int *)at == (i % 3 ? i : 0), "page %d holds %d", i, *(int *)at);
	}
	victim_ok();
}
