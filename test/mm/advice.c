/* What mlock and madvise have set: the flags of smaps, and what is locked. */
#include <sys/mman.h>

#include "test/mm/smaps.h"

#define PAGE 4096UL
#define PAGES 64

static char *mem;
static char before[SMAPS_ROOM], after[SMAPS_ROOM];

int main(void)
{
	static const int advice[] = { MADV_RANDOM,    MADV_SEQUENTIAL, MADV_DONTFORK,
				      MADV_DONTDUMP,  MADV_WIPEONFORK, MADV_HUGEPAGE,
				      MADV_NOHUGEPAGE };
	char *on_fault;

	mem = SYS(mmap(NULL, PAGES * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1,
		       0));
	fill(mem, PAGES * PAGE, 1);
	for (size_t i = 0; i < sizeof(advice) / sizeof(*advice); i++)
		if (madvise(mem + 2 * i * PAGE, PAGE, advice[i]) < 0)
			CHECK(errno == EINVAL, "advice %d: %s", advice[i], strerror(errno));
	/* Needs CONFIG_KSM. */
	madvise(mem + 20 * PAGE, PAGE, MADV_MERGEABLE);
	SYS(mlock(mem + 30 * PAGE, 3 * PAGE));
	SYS(mprotect(mem + 31 * PAGE, PAGE, PROT_READ));
	on_fault = SYS(mmap(NULL, PAGES * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
			    -1, 0));
	SYS(mlock2(on_fault, PAGES * PAGE, MLOCK_ONFAULT));
	on_fault[0] = 1;
	smaps_read(mem, PAGES * PAGE, before);
	smaps_read(on_fault, PAGES * PAGE, before + strlen(before));
	victim_ready();
	smaps_read(mem, PAGES * PAGE, after);
	smaps_read(on_fault, PAGES * PAGE, after + strlen(after));
	same_text(after, before);
	CHECK(filled(mem, PAGES * PAGE, 1) && on_fault[0] == 1);
	SAME(smaps_number(mem + 30 * PAGE, "Locked:"), 4);
	SAME(smaps_number(on_fault, "Locked:"), 4);
	CHECK(!is_present(on_fault + PAGE));
	on_fault[PAGE] = 1;
	SAME(smaps_number(on_fault, "Locked:"), 8);
	victim_ok();
}
