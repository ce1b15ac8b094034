/* The word that the kernel clears and wakes when a thread ends: joining would hang without. */
#include <sys/prctl.h>

#include "test/lib/victim.h"

static void set(int number)
{
	(void)number;
}

static uint64_t get(void)
{
	uint64_t value = 0;

	SYS(prctl(PR_GET_TID_ADDRESS, &value, 0, 0, 0));
	return value;
}

int main(void)
{
	victim_keeps(set, get);
}
