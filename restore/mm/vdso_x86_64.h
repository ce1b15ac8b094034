/* The vDSO of x86-64: functions that have data of the kernel behind them, and a jump to elsewhere. */
#ifndef STASIS_RESTORE_MM_VDSO_X86_64_H
#define STASIS_RESTORE_MM_VDSO_X86_64_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

/* What is not listed needs no data (the entry of an SGX enclave), so its own code will do. */
static const char *const vdso_functions[] = {
	"__vdso_clock_gettime", "__vdso_clock_getres", "__vdso_gettimeofday",
	"__vdso_time",		"__vdso_getcpu",       "__vdso_getrandom",
};

enum { VDSO_JUMP_SIZE = 13 };

/* movabs $to, %r11; jmp *%r11. No function expects anything in r11. */
static inline void vdso_put_jump(unsigned char *at, uint64_t to)
{
	memcpy(at, "\x49\xbb", 2);
	memcpy(at + 2, &to, sizeof(to));
	memcpy(at + 10, "\x41\xff\xe3", 3);
}

/* Whether there is one already, of a restore before. */
static inline bool vdso_is_jump(const char *at)
{
	return memcmp(at, "\x49\xbb", 2) == 0 && memcmp(at + 10, "\x41\xff\xe3", 3) == 0;
}

#endif
