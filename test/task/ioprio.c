/* Every thread's own priority at the disk. */
#include <sys/syscall.h>

#include "test/lib/victim.h"

static void set(int number)
{
	static const int values[] = { 2 << 13 | 6, 3 << 13 | 0, 1 << 13 | 4 };

	SYS(syscall(SYS_ioprio_set, 1, 0, values[number]));
}

static uint64_t get(void)
{
	return SYS(syscall(SYS_ioprio_get, 1, 0));
}

int main(void)
{
	victim_keeps(set, get);
}
