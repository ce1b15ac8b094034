/* MAP_SHARED | MAP_ANONYMOUS among a parent and two children, one of which has only a part of it. */
#include <sys/mman.h>
#include <sys/stat.h>

#include "test/mm/smaps.h"

#define PAGE 4096UL
#define PAGES 300

static char *mem;
static volatile unsigned int *turn;
static char before[SMAPS_ROOM], after[SMAPS_ROOM];

static unsigned long inode_of(const char *at)
{
	char path[128];
	struct stat st;

	snprintf(path, sizeof(path), "/proc/self/map_files/%lx-%lx", (unsigned long)at,
		 (unsigned long)at + PAGES * PAGE);
	SYS(stat(path, &st));
	SAME(st.st_size, PAGES * PAGE);
	return st.st_ino;
}

static void wait_for(unsigned int value)
{
	while (*turn != value)
		victim_sleep_ms(1);
}

static void child_with_all(void)
{
	victim_set();
	victim_wait();
	wait_for(1);
	CHECK(filled(mem + PAGE, PAGE, 1000));
	fill(mem + 2 * PAGE, PAGE, 2000);
	*turn = 2;
	_exit(0);
}

static void child_with_part(void)
{
	SYS(munmap(mem + PAGE, 100 * PAGE));
	SYS(mprotect(mem + 200 * PAGE, PAGE, PROT_READ));
	smaps_read(mem, PAGES * PAGE, before);
	victim_set();
	victim_wait();
	smaps_read(mem, PAGES * PAGE, after);
	same_text(after, before);
	wait_for(2);
	CHECK(filled(mem + 150 * PAGE, PAGE, 3));
	CHECK(filled(mem + 200 * PAGE, PAGE, 4));
	*turn = 3;
	_exit(0);
}

int main(void)
{
	pid_t all, part;

	mem = victim_shared(PAGES * PAGE);
	turn = victim_shared(PAGE);
	fill(mem, PAGE, 0x50);
	fill(mem + 150 * PAGE, PAGE, 3);
	fill(mem + 200 * PAGE, PAGE, 4);
	fill(mem + 250 * PAGE, 10 * PAGE, 5);
	SYS(madvise(mem + 255 * PAGE, PAGE, MADV_REMOVE));
	all = victim_fork();
	if (all == 0)
		child_with_all();
	part = victim_fork();
	if (part == 0)
		child_with_part();
	smaps_read(mem, PAGES * PAGE, before);
	victim_ready();
	smaps_read(mem, PAGES * PAGE, after);
	same_text(after, before);
	inode_of(mem);
	CHECK(filled(mem, PAGE, 0x50) && filled(mem + 250 * PAGE, 5 * PAGE, 5));
	CHECK(zeroed(mem + 255 * PAGE, PAGE) && zeroed(mem + 100 * PAGE, 50 * PAGE));
	fill(mem + PAGE, PAGE, 1000);
	*turn = 1;
	wait_for(3);
	CHECK(filled(mem + 2 * PAGE, PAGE, 2000));
	victim_reap(all);
	victim_reap(part);
	victim_ok();
}
