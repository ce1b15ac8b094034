/* Memory protection keys: the rights register is the thread's own, and the key stays taken. */
#include <sys/mman.h>

#include "test/lib/victim.h"

static void *other(void *arg)
{
	int key = *(int *)arg;

	SYS(pkey_set(key, PKEY_DISABLE_WRITE));
	victim_set();
	victim_wait();
	SAME(pkey_get(key), PKEY_DISABLE_WRITE);
	return NULL;
}

int main(void)
{
	int key = pkey_alloc(0, PKEY_DISABLE_ACCESS);
	char *page;

	if (key < 0)
		victim_skip("this processor has no protection keys");
	page = SYS(mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
	*page = 1;
	SYS(pkey_mprotect(page, 4096, PROT_READ | PROT_WRITE, key));
	victim_thread(other, &key);
	victim_ready();
	victim_join();
	SAME(pkey_get(key), PKEY_DISABLE_ACCESS);
	/* The kernel obeys the rights too. */
	CHECK(access(page, F_OK) < 0 && errno == EFAULT);
	SYS(pkey_set(key, 0));
	SAME(*page, 1);
	CHECK(pkey_alloc(0, 0) != key);
	victim_ok();
}
