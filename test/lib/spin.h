/* A thread that holds known values in all its registers and looks at them for ever. */
#ifndef STASIS_TEST_SPIN_H
#define STASIS_TEST_SPIN_H

#include <stdint.h>
#include <string.h>

/* Offsets are known to the assembly. */
struct spin {
	uint64_t stop;		/* 0 */
	uint64_t loops;		/* 8 */
	uint64_t broken;	/* 16 */
	uint64_t whole;		/* 24: there are 256 bits in a vector register */
	uint64_t general[15];	/* 32 */
	uint64_t rbp;		/* 152: the caller's */
	uint8_t vector[16][32]; /* 160 */
};

static inline void spin_init(struct spin *s, unsigned int seed)
{
	uint8_t *bytes = (uint8_t *)s->general;

	memset(s, 0, sizeof(*s));
	s->whole = !!__builtin_cpu_supports("avx2");
	for (size_t i = 0; i < sizeof(s->general) + sizeof(s->vector); i++)
		bytes[i] = (seed += 97) * 31 >> 3;
}

/* Until s->stop is set, or a register was not what it had to be; then s->broken is. */
static __attribute__((noinline, unused)) void spin_run(struct spin *s)
{
	__asm__ volatile("	mov %%rbp, 152(%%rdi)\n"
			 ".macro each_general op\n"
			 "	\\op 32(%%rdi), %%rax\n	\\op 40(%%rdi), %%rbx\n"
			 "	\\op 48(%%rdi), %%rcx\n	\\op 56(%%rdi), %%rdx\n"
			 "	\\op 64(%%rdi), %%rsi\n	\\op 72(%%rdi), %%rbp\n"
			 "	\\op 80(%%rdi), %%r8\n	\\op 88(%%rdi), %%r9\n"
			 "	\\op 96(%%rdi), %%r10\n	\\op 104(%%rdi), %%r11\n"
			 "	\\op 112(%%rdi), %%r12\n	\\op 120(%%rdi), %%r13\n"
			 "	\\op 128(%%rdi), %%r14\n	\\op 136(%%rdi), %%r15\n"
			 ".endm\n"
			 ".macro same from, to\n"
			 "	cmp \\from, \\to\n"
			 "	jne 8f\n"
			 ".endm\n"
			 "	cmpq $0, 24(%%rdi)\n"
			 "	je 2f\n"
			 "	.irp n, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14\n"
			 "	vmovdqu 160+32*\\n(%%rdi), %%ymm\\n\n"
			 "	.endr\n"
			 "2:	each_general mov\n"
			 "1:	each_general same\n"
			 "	incq 8(%%rdi)\n"
			 "	cmpq $0, 24(%%rdi)\n"
			 "	je 3f\n"
			 "	.irp n, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14\n"
			 "	vpxor 160+32*\\n(%%rdi), %%ymm\\n, %%ymm15\n"
			 "	vptest %%ymm15, %%ymm15\n"
			 "	jne 8f\n"
			 "	.endr\n"
			 "3:	cmpq $0, (%%rdi)\n"
			 "	je 1b\n"
			 "	jmp 9f\n"
			 "8:	movq $1, 16(%%rdi)\n"
			 "9:	.purgem each_general\n"
			 "	.purgem same\n"
			 "	mov 152(%%rdi), %%rbp\n"
			 : "+D"(s)
			 :
			 : "rax", "rbx", "rcx", "rdx", "rsi", "r8", "r9", "r10", "r11", "r12",
			   "r13", "r14", "r15", "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5",
			   "xmm6", "xmm7", "xmm8", "xmm9", "xmm10", "xmm11", "xmm12", "xmm13",
			   "xmm14", "xmm15", "memory", "cc");
}

#endif
