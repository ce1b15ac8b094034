/*
 * Locked and not, again and again: what the kernel counts as locked has to be what was done last, also when that was in
 * the moment before the dump. The memory is large, so that its layout is looked at long before the last stop.
 *
 *   flags MIB
 */
#include <stdatomic.h>
#include <sys/mman.h>

#include "test/lib/victim.h"

enum { PAGE = 4096 };

static char *page;
static atomic_bool over;

/* By a call that complains of locked memory, and needs no descriptor. */
static void expect(int error)
{
	SAME(msync(page, PAGE, MS_ASYNC | MS_INVALIDATE) < 0 ? errno : 0, error);
}

static void *lock_and_unlock(void *arg)
{
	victim_set();
	while (!over) {
		SYS(mlock(page, PAGE));
		for (int i = 0; i < 100; i++)
			expect(EBUSY);
		SYS(munlock(page, PAGE));
		for (int i = 0; i < 100; i++)
			expect(0);
	}
	return arg;
}

int main(int argc, char **argv)
{
	size_t size = (argc > 1 ? strtoul(argv[1], NULL, 10) : 64) << 20;
	char *memory =
		SYS(mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));

	for (size_t at = 0; at < size; at += PAGE)
		*(size_t *)(memory + at) = at + 1;
	/* Nothing beside it that it could be one mapping with. */
	page = SYS(mmap(NULL, 3 * PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
	page += PAGE;
	SYS(mprotect(page, PAGE, PROT_READ | PROT_WRITE));
	*page = 1;
	victim_thread(lock_and_unlock, NULL);
	victim_ready();
	victim_sleep_ms(5);
	over = true;
	victim_join();
	for (size_t at = 0; at < size; at += PAGE)
		SAME(*(size_t *)(memory + at), at + 1);
	victim_ok();
}
