/* Every thread's own name; also one that looks like the fields behind it in /proc. */
#include <sys/prctl.h>

#include "test/lib/victim.h"

static void set(int number)
{
	char name[16];

	snprintf(name, sizeof(name), "a) R %d (\n'", number);
	SYS(prctl(PR_SET_NAME, name));
}

static uint64_t get(void)
{
	uint64_t name[2] = { 0, 0 };

	SYS(prctl(PR_GET_NAME, name));
	return name[0] * 31 + name[1];
}

int main(void)
{
	victim_keeps(set, get);
}
