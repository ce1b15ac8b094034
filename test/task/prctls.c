/* Settings that prctl(2) sets and tells, each thread its own, as far as kernel and processor have them. */
#include <sys/prctl.h>

#include "test/lib/victim.h"

#define SET_MEMORY_MERGE 67
#define GET_MEMORY_MERGE 68

static void set(int number)
{
	SYS(prctl(PR_SET_TSC, number == 1 ? PR_TSC_SIGSEGV : PR_TSC_ENABLE, 0, 0, 0));
	SYS(prctl(PR_MCE_KILL, PR_MCE_KILL_SET, number ? PR_MCE_KILL_EARLY : PR_MCE_KILL_LATE, 0,
		  0));
	prctl(PR_SET_SPECULATION_CTRL, PR_SPEC_STORE_BYPASS, PR_SPEC_DISABLE, 0, 0);
	prctl(PR_SET_SPECULATION_CTRL, PR_SPEC_INDIRECT_BRANCH,
	      number == 2 ? PR_SPEC_FORCE_DISABLE : PR_SPEC_DISABLE, 0, 0);
	prctl(SET_MEMORY_MERGE, 1, 0, 0, 0);
}

static uint64_t get(void)
{
	int tsc;

	SYS(prctl(PR_GET_TSC, &tsc, 0, 0, 0));
	return (uint64_t)tsc << 48 | (uint64_t)(prctl(PR_MCE_KILL_GET, 0, 0, 0, 0) & 0xff) << 32 |
	       (uint64_t)(prctl(PR_GET_SPECULATION_CTRL, PR_SPEC_STORE_BYPASS, 0, 0, 0) & 0xff)
		       << 24 |
	       (uint64_t)(prctl(PR_GET_SPECULATION_CTRL, PR_SPEC_INDIRECT_BRANCH, 0, 0, 0) & 0xff)
		       << 16 |
	       (uint64_t)(prctl(GET_MEMORY_MERGE, 0, 0, 0, 0) & 0xff);
}

int main(void)
{
	victim_keeps(set, get);
}
