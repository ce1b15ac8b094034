/* How soon the kernel ends the process when memory runs out. */
#include <fcntl.h>

#include "test/lib/victim.h"

static void set(int number)
{
	int fd = SYS(open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC));

	(void)number;
	SYS(write(fd, "321", 3));
	close(fd);
}

static uint64_t get(void)
{
	return victim_own("oom_score_adj", "", 10);
}

int main(void)
{
	victim_keeps(set, get);
}
