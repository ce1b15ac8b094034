/* Memory protection keys: the rights register is each thread's own. */
#include <sys/mman.h>

#include "test/lib/victim.h"

static int key;

static void set(int number)
{
	static const unsigned int rights[] = { PKEY_DISABLE_ACCESS, PKEY_DISABLE_WRITE, 0 };

	if (key == 0)
		key = pkey_alloc(0, 0);
	if (key < 0)
		victim_skip("this processor has no protection keys");
	SYS(pkey_set(key, rights[number]));
}

static uint64_t get(void)
{
	return SYS(pkey_get(key));
}

int main(void)
{
	victim_keeps(set, get);
}
