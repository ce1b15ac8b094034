/* How late every thread's own sleeps may end. */
#include <sys/prctl.h>

#include "test/lib/victim.h"

static void set(int number)
{
	SYS(prctl(PR_SET_TIMERSLACK, 77777 + number));
}

static uint64_t get(void)
{
	return SYS(prctl(PR_GET_TIMERSLACK));
}

int main(void)
{
	victim_keeps(set, get);
}
