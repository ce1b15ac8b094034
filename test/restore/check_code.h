/*
 * A piece of code that runs anywhere: it compares all its registers with the table that its stack pointer points to,
 * says in there how it went, and ends its thread. The last one ends the process.
 */
#ifndef STASIS_TEST_CHECK_CODE_H
#define STASIS_TEST_CHECK_CODE_H

#include <stdint.h>

/* Offsets are known to the assembly. Lies in memory that all tasks share. */
struct check_table {
	uint64_t general[15];	/* 0: rax rbx rcx rdx rsi rdi rbp r8 ... r15 */
	uint64_t flags;		/* 120 */
	uint64_t fs_word;	/* 128: where fs points to */
	uint64_t gs_word;	/* 136 */
	uint64_t whole;		/* 144: there are 256 bits in a vector register */
	uint64_t mxcsr;		/* 152 */
	uint64_t last;		/* 160: waits for the others, then ends the process */
	uint64_t others;	/* 168: how many */
	uint64_t *ended;	/* 176: counts those that have ended */
	uint64_t result;	/* 184: 1 all is right, 2 it is not */
	uint64_t scratch[4];	/* 192 */
	uint8_t vector[16][32]; /* 224 */
	uint64_t call;		/* 736: a system call to make before, 0: none */
};

extern const char check_code[], check_code_end[];

#define CHECK_GENERAL(n, reg) "	cmp " #n "*8(%rsp), %" #reg "\n	jne 8f\n"
#define CHECK_VECTOR(n)                                                 \
	"	vpcmpeqb 224+32*" #n "(%rsp), %ymm" #n ", %ymm" #n "\n" \
	"	vpmovmskb %ymm" #n ", %eax\n"                           \
	"	cmp $-1, %eax\n"                                              \
	"	jne 8f\n"
#define CHECK_HALF(n)                                      \
	"	pcmpeqb 224+32*" #n "(%rsp), %xmm" #n "\n" \
	"	pmovmskb %xmm" #n ", %eax\n"               \
	"	cmp $0xffff, %eax\n"                             \
	"	jne 8f\n"
#define CHECK_EACH(what)                                                                         \
	what(0) what(1) what(2) what(3) what(4) what(5) what(6) what(7) what(8) what(9) what(10) \
		what(11) what(12) what(13) what(14) what(15)

/* The flags first, since comparing changes them; popping them through memory at the stack pointer's place. */
__asm__(".pushsection .rodata\n"
	".globl check_code, check_code_end\n"
	"check_code:\n"
	"	lea 216(%rsp), %rsp\n" /* a push writes to scratch[2] */
	"	pushfq\n"
	"	lea -208(%rsp), %rsp\n" CHECK_GENERAL(0, rax) CHECK_GENERAL(1, rbx) CHECK_GENERAL(
		2, rcx) CHECK_GENERAL(3, rdx) CHECK_GENERAL(4, rsi) CHECK_GENERAL(5, rdi)
		CHECK_GENERAL(6, rbp) CHECK_GENERAL(7, r8) CHECK_GENERAL(8, r9) CHECK_GENERAL(
			9, r10) CHECK_GENERAL(10, r11) CHECK_GENERAL(11, r12) CHECK_GENERAL(12, r13)
			CHECK_GENERAL(13, r14) CHECK_GENERAL(
				14,
				r15) "	mov 208(%rsp), %rax\n"
				     "	cmp 120(%rsp), %rax\n"
				     "	jne 8f\n"
				     "	mov %fs:0, %rax\n"
				     "	cmp 128(%rsp), %rax\n"
				     "	jne 8f\n"
				     "	mov %gs:0, %rax\n"
				     "	cmp 136(%rsp), %rax\n"
				     "	jne 8f\n"
				     "	stmxcsr 192(%rsp)\n"
				     "	mov 192(%rsp), %eax\n"
				     "	cmp 152(%rsp), %eax\n"
				     "	jne 8f\n"
				     "	cmpq $0, 144(%rsp)\n"
				     "	je 3f\n" CHECK_EACH(
					     CHECK_VECTOR) "	jmp 4f\n"
							   "3:\n" CHECK_EACH(
								   CHECK_HALF) "4:	movq $1, 184(%rsp)\n"
									       "	jmp 5f\n"
									       "8:	movq $2, 184(%rsp)\n"
									       "5:	mov 736(%rsp), %rax\n"
									       "	test %rax, %rax\n"
									       "	je 6f\n"
									       "	syscall\n"
									       "6:	mov 176(%rsp), %rbx\n"
									       "	cmpq $0, 160(%rsp)\n"
									       "	jne 7f\n"
									       "	lock incq (%rbx)\n"
									       "	mov $60, %eax\n" /* exit */
									       "	xor %edi, %edi\n"
									       "	syscall\n"
									       "7:	pause\n"
									       "	mov 168(%rsp), %rax\n"
									       "	cmp (%rbx), %rax\n"
									       "	ja 7b\n"
									       "	mov 184(%rsp), %rdi\n"
									       "	dec %rdi\n"
									       "	mov $231, %eax\n" /* exit_group: 0 or 1 */
									       "	syscall\n"
									       "check_code_end:\n"
									       ".popsection\n");

#endif
