/* Every thread's own execution domain, and that it is obeyed. */
#include <sys/personality.h>
#include <sys/utsname.h>

#include "test/lib/victim.h"

static void set(int number)
{
	SYS(personality(number == 1 ? ADDR_NO_RANDOMIZE | UNAME26 : MMAP_PAGE_ZERO));
}

static uint64_t get(void)
{
	struct utsname name;

	SYS(uname(&name));
	return (uint64_t)personality(0xffffffff) << 32 | name.release[0];
}

int main(void)
{
	victim_keeps(set, get);
}
