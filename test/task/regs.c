/*
 * A thread in user code that makes no system call, with a known value in every general register, the
 * direction flag set, and a gs base of its own: it must come back to the very next instruction.
 */
#include <asm/prctl.h>
#include <sys/syscall.h>

#include "test/lib/victim.h"

/* rax rbx rcx rdx rsi rdi rbp r8-r15, then the flags. */
enum { REGS = 15, FLAGS = REGS };
#define DIRECTION_FLAG 0x400UL

/* Named in the assembly below. */
extern uint64_t regs_in[REGS + 1], regs_out[REGS + 1];
extern volatile uint64_t regs_go, regs_spins;
uint64_t regs_in[REGS + 1], regs_out[REGS + 1];
volatile uint64_t regs_go, regs_spins;

void regs_spin(void);
__asm__(".text\n"
	".globl regs_spin\n"
	"regs_spin:\n"
	".irp r, rbx, rbp, r12, r13, r14, r15\n"
	"	push %\\r\n"
	".endr\n"
	"	.set at, 0\n"
	".irp r, rax, rbx, rcx, rdx, rsi, rdi, rbp, r8, r9, r10, r11, r12, r13, r14, r15\n"
	"	mov regs_in + at(%rip), %\\r\n"
	"	.set at, at + 8\n"
	".endr\n"
	"	std\n"
	"1:	incq regs_spins(%rip)\n"
	"	cmpq $0, regs_go(%rip)\n"
	"	je 1b\n"
	"	.set at, 0\n"
	".irp r, rax, rbx, rcx, rdx, rsi, rdi, rbp, r8, r9, r10, r11, r12, r13, r14, r15\n"
	"	mov %\\r, regs_out + at(%rip)\n"
	"	.set at, at + 8\n"
	".endr\n"
	"	pushfq\n"
	"	popq regs_out + at(%rip)\n"
	"	cld\n"
	".irp r, r15, r14, r13, r12, rbp, rbx\n"
	"	pop %\\r\n"
	".endr\n"
	"	ret\n");

static void *spin(void *arg)
{
	uint64_t fs, fs_now, gs, gs_wanted = 0x123456789000;

	SYS(syscall(SYS_arch_prctl, ARCH_GET_FS, &fs));
	SYS(syscall(SYS_arch_prctl, ARCH_SET_GS, gs_wanted));
	victim_set();
	regs_spin();
	SYS(syscall(SYS_arch_prctl, ARCH_GET_FS, &fs_now));
	SYS(syscall(SYS_arch_prctl, ARCH_GET_GS, &gs));
	SAME(fs_now, fs);
	SAME(gs, gs_wanted);
	return arg;
}

int main(void)
{
	uint64_t was;

	for (int i = 0; i < REGS; i++)
		regs_in[i] = 0x0101010101010101ULL * (i + 1) ^ 0xf0e0d0c0b0a09080ULL;
	victim_thread(spin, NULL);
	while (regs_spins == 0)
		victim_sleep_ms(1);
	victim_ready();
	was = regs_spins;
	while (regs_spins == was)
		victim_sleep_ms(1);
	regs_go = 1;
	victim_join();
	for (int i = 0; i < REGS; i++)
		CHECK(regs_out[i] == regs_in[i], "register %d is %lx, it was %lx", i, regs_out[i],
		      regs_in[i]);
	CHECK(regs_out[FLAGS] & DIRECTION_FLAG);
	victim_ok();
}
