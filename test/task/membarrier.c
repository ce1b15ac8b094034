/* What the process has registered for with membarrier(2). */
#include <linux/membarrier.h>
#include <sys/syscall.h>

#include "test/lib/victim.h"

#define GET_REGISTRATIONS (1 << 9) /* newer than the headers */

static void set(int number)
{
	(void)number;
	SYS(syscall(SYS_membarrier, MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED, 0, 0));
	SYS(syscall(SYS_membarrier, MEMBARRIER_CMD_REGISTER_GLOBAL_EXPEDITED, 0, 0));
	SYS(syscall(SYS_membarrier, MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED_SYNC_CORE, 0, 0));
}

static uint64_t get(void)
{
	/* Fails with EPERM where nobody has registered. */
	SYS(syscall(SYS_membarrier, MEMBARRIER_CMD_PRIVATE_EXPEDITED, 0, 0));
	SYS(syscall(SYS_membarrier, MEMBARRIER_CMD_PRIVATE_EXPEDITED_SYNC_CORE, 0, 0));
	SAME(syscall(SYS_membarrier, MEMBARRIER_CMD_PRIVATE_EXPEDITED_RSEQ, 0, 0), -1);
	return syscall(SYS_membarrier, GET_REGISTRATIONS, 0, 0);
}

int main(void)
{
	victim_keeps(set, get);
}
