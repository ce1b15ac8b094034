/* A process that does without transparent huge pages. */
#include <sys/prctl.h>

#include "test/lib/victim.h"

static void set(int number)
{
	(void)number;
	SYS(prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0));
}

static uint64_t get(void)
{
	return SYS(prctl(PR_GET_THP_DISABLE, 0, 0, 0, 0));
}

int main(void)
{
	victim_keeps(set, get);
}
