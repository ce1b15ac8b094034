/* Heap, stack and a mapping that grows down: they still grow, as far as they may. */
#include <sys/mman.h>

#include "test/mm/smaps.h"

#define PAGE 4096UL

static char *heap, *down;

/* Deeper than anything so far, page by page, so that the kernel has to extend the stack. */
static __attribute__((noinline)) unsigned int deep(unsigned int level)
{
	volatile char frame[PAGE];

	for (size_t i = 0; i < sizeof(frame); i += 512)
		frame[i] = (char)level;
	return level ? deep(level - 1) + (unsigned char)frame[0] : 0;
}

int main(void)
{
	char before[SMAPS_ROOM], after[SMAPS_ROOM], *end;

	heap = SYS(sbrk(64 * PAGE));
	fill(heap, 64 * PAGE, 1);
	down = SYS(mmap(NULL, 1024 * PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE,
			-1, 0));
	SYS(munmap(down, 1024 * PAGE));
	down = SYS(mmap(down + 1020 * PAGE, 4 * PAGE, PROT_READ | PROT_WRITE,
			MAP_PRIVATE | MAP_ANONYMOUS | MAP_GROWSDOWN | MAP_FIXED, -1, 0));
	fill(down, 4 * PAGE, 2);
	smaps_read(down, 4 * PAGE, before);
	victim_ready();
	smaps_read(down, 4 * PAGE, after);
	same_text(after, before);
	CHECK(filled(heap, 64 * PAGE, 1) && filled(down, 4 * PAGE, 2));
	end = SYS(sbrk(0));
	SAME(sbrk(16 * PAGE), end);
	fill(end, 16 * PAGE, 3);
	CHECK(filled(heap, 64 * PAGE, 1));
	SAME(sbrk(-16 * (long)PAGE), end + 16 * PAGE);
	SAME(sbrk(0), end);
	CHECK(malloc(100000) && malloc(10));
	CHECK(deep(500) > 0);
	for (int i = 1; i < 20; i++)
		down[-i * (long)PAGE] = (char)i;
	CHECK(down[-19 * (long)PAGE] == 19);
	victim_ok();
}
