/* Whoever has asked for AMX may still use it. */
#include <sys/syscall.h>

#include "test/lib/victim.h"

#define GET_PERMISSION 0x1022
#define ASK_PERMISSION 0x1023
#define AMX_TILES 18

static uint64_t permitted(void)
{
	uint64_t mask;

	SYS(syscall(SYS_arch_prctl, GET_PERMISSION, &mask));
	return mask;
}

int main(void)
{
	uint64_t was;

	if (syscall(SYS_arch_prctl, ASK_PERMISSION, AMX_TILES) < 0)
		victim_skip("this processor or kernel has no AMX");
	was = permitted();
	CHECK(was >> AMX_TILES & 1);
	victim_ready();
	SAME(permitted(), was);
	/* tilerelease: the first use, for which the kernel makes room if it may. */
	__asm__ volatile(".byte 0xc4, 0xe2, 0x78, 0x49, 0xc0");
	victim_ok();
}
