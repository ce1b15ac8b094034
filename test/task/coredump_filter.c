/* Which mappings go into a core. */
#include <fcntl.h>

#include "test/lib/victim.h"

static void set(int number)
{
	int fd = SYS(open("/proc/self/coredump_filter", O_WRONLY | O_CLOEXEC));

	(void)number;
	SYS(write(fd, "0x7f", 4));
	close(fd);
}

static uint64_t get(void)
{
	return victim_proc("/proc/self/coredump_filter", "", 16);
}

int main(void)
{
	victim_keeps(set, get);
}
