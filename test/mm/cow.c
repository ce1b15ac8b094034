/*
 * Pages that parent and child have had in common since the fork are common after the restore, as long as they are
 * equal; what one of them wrote is its own.
 */
#include <sys/mman.h>

#include "test/mm/smaps.h"

#define PAGE 4096UL
#define PAGES 512
#define PFN(word) ((word) & ((1ULL << 55) - 1))

struct common {
	uint64_t child[PAGES];
	volatile int done;
};

static char *mem;
static struct common *common;

static void read_frames(uint64_t *frames)
{
	for (int i = 0; i < PAGES; i++)
		frames[i] = pagemap_word(mem + i * PAGE);
}

static void child(void)
{
	fill(mem + 100 * PAGE, 10 * PAGE, 5000);
	SYS(madvise(mem + 200 * PAGE, PAGE, MADV_DONTNEED));
	victim_set();
	victim_wait();
	read_frames(common->child);
	common->done = 1;
	while (common->done == 1)
		victim_sleep_ms(1);
	CHECK(filled(mem + 100 * PAGE, 10 * PAGE, 5000) && zeroed(mem + 200 * PAGE, PAGE));
	CHECK(filled(mem, PAGE, 1) && filled(mem + 300 * PAGE, PAGE, 300));
	fill(mem, PAGE, 2);
	_exit(0);
}

int main(void)
{
	uint64_t frames[PAGES];
	int same = 0;
	pid_t pid;

	mem = SYS(mmap(NULL, PAGES * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1,
		       0));
	SYS(madvise(mem, PAGES * PAGE, MADV_NOHUGEPAGE));
	for (int i = 0; i < PAGES; i++)
		fill(mem + i * PAGE, PAGE, i ? (unsigned int)i : 1);
	common = victim_shared(sizeof(*common));
	pid = victim_fork();
	if (pid == 0)
		child();
	fill(mem + 400 * PAGE, PAGE, 400000);
	victim_ready();
	while (!common->done)
		victim_sleep_ms(1);
	read_frames(frames);
	if (PFN(frames[0]) == 0)
		victim_skip("page frames are not to be seen here");
	for (int i = 0; i < PAGES; i++) {
		CHECK(frames[i] >> 63, "page %d", i);
		same += PFN(frames[i]) == PFN(common->child[i]);
	}
	CHECK(PFN(frames[100]) != PFN(common->child[100]));
	CHECK(PFN(frames[400]) != PFN(common->child[400]));
	SAME(same, PAGES - 12);
	common->done = 2;
	victim_reap(pid);
	CHECK(filled(mem, PAGE, 1) && filled(mem + 100 * PAGE, PAGE, 100) &&
	      filled(mem + 200 * PAGE, PAGE, 200) && filled(mem + 400 * PAGE, PAGE, 400000));
	victim_ok();
}
