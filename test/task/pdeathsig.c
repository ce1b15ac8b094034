/* The signal that a thread gets when its parent dies. */
#include <signal.h>
#include <sys/prctl.h>

#include "test/lib/victim.h"

static void set(int number)
{
	SYS(prctl(PR_SET_PDEATHSIG, SIGRTMIN + number));
}

static uint64_t get(void)
{
	int value = 0;

	SYS(prctl(PR_GET_PDEATHSIG, &value, 0, 0, 0));
	return value;
}

int main(void)
{
	victim_keeps(set, get);
}
