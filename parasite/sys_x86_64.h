/* Raw system calls of x86-64 for freestanding code: the kernel's own result, -errno on failure. */
#ifndef STASIS_PARASITE_SYS_X86_64_H
#define STASIS_PARASITE_SYS_X86_64_H

#include <stdint.h>

static inline int64_t raw_syscall(int64_t nr, const uint64_t *a)
{
	register uint64_t r10 __asm__("r10") = a[3];
	register uint64_t r8 __asm__("r8") = a[4];
	register uint64_t r9 __asm__("r9") = a[5];
	int64_t res;

	__asm__ volatile("syscall"
			 : "=a"(res)
			 : "a"(nr), "D"(a[0]), "S"(a[1]), "d"(a[2]), "r"(r10), "r"(r8), "r"(r9)
			 : "rcx", "r11", "memory");
	return res;
}

static inline void raw_trap(void)
{
	__asm__ volatile("int3");
}

static inline void raw_relax(void)
{
	__asm__ volatile("pause");
}

#define RAW_SYS_RT_SIGTIMEDWAIT 128
#define RAW_SYS_FUTEX 202

#endif
