/* Standard descriptors that others have the other end of: pipes and files of whoever started it. */
#include "test/lib/fds.h"

static void copy_line(const char *prefix)
{
	char line[128];
	ssize_t n = SYS(read(0, line, sizeof(line)));

	dprintf(1, "%s%.*s", prefix, (int)n, line);
}

int main(void)
{
	copy_line("before: ");
	victim_ready();
	copy_line("after: ");
	dprintf(2, "an error\n");
	victim_ok();
}
