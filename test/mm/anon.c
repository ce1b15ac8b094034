/* Private anonymous memory of all sorts: contents, and what smaps says of it. */
#include <sys/mman.h>

#include "test/mm/smaps.h"

#define PAGE 4096UL
#define HUGE (8UL << 30)
#define AREA_PAGES 64

#ifndef MAP_DROPPABLE
#define MAP_DROPPABLE 0x08
#endif

static char *area, *sparse, *drop;
static char before[SMAPS_ROOM], after[SMAPS_ROOM];

static void set_up(void)
{
	int rw = PROT_READ | PROT_WRITE, anon = MAP_PRIVATE | MAP_ANONYMOUS;

	area = SYS(mmap(NULL, AREA_PAGES * PAGE, rw, anon, -1, 0));
	/* Whatever the machine's setting: a page that was not touched is not there. */
	SYS(madvise(area, AREA_PAGES * PAGE, MADV_NOHUGEPAGE));
	fill(area, 4 * PAGE, 1);
	SYS(mprotect(area + PAGE, PAGE, PROT_READ));
	SYS(mprotect(area + 2 * PAGE, PAGE, PROT_NONE));
	SYS(mprotect(area + 3 * PAGE, PAGE, PROT_READ | PROT_EXEC));
	/* Never touched; read only, so that the zero page is there; and a hole. */
	CHECK(area[6 * PAGE] == 0);
	SYS(munmap(area + 8 * PAGE, PAGE));
	fill(area + 9 * PAGE, PAGE, 9);
	/* Written and given back. */
	fill(area + 12 * PAGE, 4 * PAGE, 12);
	SYS(madvise(area + 13 * PAGE, PAGE, MADV_DONTNEED));
	sparse = SYS(mmap(NULL, HUGE, rw, anon | MAP_NORESERVE, -1, 0));
	SYS(madvise(sparse, HUGE, MADV_NOHUGEPAGE));
	fill(sparse, PAGE, 20);
	fill(sparse + HUGE / 2, PAGE, 21);
	fill(sparse + HUGE - PAGE, PAGE, 22);
	drop = mmap(NULL, 4 * PAGE, rw, MAP_DROPPABLE | MAP_ANONYMOUS, -1, 0);
}

static void read_all(char *text)
{
	smaps_read(area, AREA_PAGES * PAGE, text);
	smaps_read(sparse, HUGE, text + strlen(text));
	if (drop != MAP_FAILED)
		smaps_read(drop, 4 * PAGE, text + strlen(text));
}

int main(void)
{
	set_up();
	read_all(before);
	victim_ready();
	read_all(after);
	same_text(after, before);
	CHECK(!is_present(area + 5 * PAGE) && !is_present(sparse + PAGE));
	SYS(mprotect(area + 2 * PAGE, PAGE, PROT_READ));
	CHECK(filled(area, 4 * PAGE, 1) && filled(area + 9 * PAGE, PAGE, 9));
	CHECK(zeroed(area + 4 * PAGE, 4 * PAGE) && zeroed(area + 13 * PAGE, PAGE));
	CHECK(filled(area + 12 * PAGE, PAGE, 12));
	CHECK(filled(sparse, PAGE, 20) && filled(sparse + HUGE / 2, PAGE, 21) &&
	      filled(sparse + HUGE - PAGE, PAGE, 22));
	CHECK(zeroed(sparse + PAGE, 16 * PAGE));
	if (drop != MAP_FAILED)
		fill(drop, 4 * PAGE, 30);
	victim_ok();
}
