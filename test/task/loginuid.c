/* The user who logged in, as the audit system has it. */
#include <fcntl.h>

#include "test/lib/victim.h"

static void set(int number)
{
	int fd = open("/proc/thread-self/loginuid", O_WRONLY | O_CLOEXEC);

	(void)number;
	if (fd < 0 || write(fd, "4711", 4) < 0)
		victim_skip("this kernel keeps no login uid, or lets nobody set it");
	close(fd);
}

static uint64_t get(void)
{
	return victim_own("loginuid", "", 10);
}

int main(void)
{
	victim_keeps(set, get);
}
