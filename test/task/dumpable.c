/* A process that may not be dumped (by a core, that is): root still can, and it stays so. */
#include <sys/prctl.h>

#include "test/lib/victim.h"

static void set(int number)
{
	(void)number;
	SYS(prctl(PR_SET_DUMPABLE, 0));
}

static uint64_t get(void)
{
	return SYS(prctl(PR_GET_DUMPABLE));
}

int main(void)
{
	victim_keeps(set, get);
}
