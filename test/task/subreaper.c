/* A process that adopts its grandchildren. */
#include <sys/prctl.h>

#include "test/lib/victim.h"

static void set(int number)
{
	(void)number;
	SYS(prctl(PR_SET_CHILD_SUBREAPER, 1));
}

static uint64_t get(void)
{
	int value = 0;

	SYS(prctl(PR_GET_CHILD_SUBREAPER, &value, 0, 0, 0));
	return value;
}

int main(void)
{
	victim_keeps(set, get);
}
