/* Guard regions: they fault as before, and what lies around them is untouched. */
#include <sys/mman.h>
#include <sys/uio.h>

#include "test/mm/smaps.h"

#ifndef MADV_GUARD_INSTALL
#define MADV_GUARD_INSTALL 102
#define MADV_GUARD_REMOVE 103
#endif

#define PAGE 4096UL
#define PAGES 64

/* Whether a page can be read: the kernel tries for us. */
static bool readable(const char *at)
{
	char byte;
	struct iovec to = { &byte, 1 }, from = { (void *)at, 1 };

	return process_vm_readv(getpid(), &to, 1, &from, 1, 0) == 1;
}

static bool is_guard(int page)
{
	return page == 0 || (page >= 10 && page < 20) || page == 63;
}

static void check_all(char *mem)
{
	for (int i = 0; i < PAGES; i++)
		CHECK(readable(mem + i * PAGE) == !is_guard(i), "page %d", i);
}

int main(void)
{
	char *mem = SYS(mmap(NULL, PAGES * PAGE, PROT_READ | PROT_WRITE,
			     MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
	char *locked = SYS(
		mmap(NULL, 4 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
	char before[SMAPS_ROOM], after[SMAPS_ROOM];

	fill(mem, PAGES * PAGE, 1);
	if (madvise(mem, PAGE, MADV_GUARD_INSTALL) < 0)
		victim_skip("this kernel has no guard regions");
	SYS(madvise(mem + 10 * PAGE, 10 * PAGE, MADV_GUARD_INSTALL));
	SYS(madvise(mem + 63 * PAGE, PAGE, MADV_GUARD_INSTALL));
	SYS(madvise(locked + PAGE, PAGE, MADV_GUARD_INSTALL));
	mlock(locked, 4 * PAGE); /* complains of the guard, and locks */
	check_all(mem);
	smaps_read(mem, PAGES * PAGE, before);
	smaps_read(locked, 4 * PAGE, before + strlen(before));
	victim_ready();
	smaps_read(mem, PAGES * PAGE, after);
	smaps_read(locked, 4 * PAGE, after + strlen(after));
	same_text(after, before);
	check_all(mem);
	CHECK(!readable(locked + PAGE) && readable(locked));
	fill(mem + 20 * PAGE, 43 * PAGE, 2);
	SYS(madvise(mem, PAGES * PAGE, MADV_GUARD_REMOVE));
	CHECK(readable(mem) && zeroed(mem + 10 * PAGE, 10 * PAGE));
	victim_ok();
}
