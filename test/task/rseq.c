/*
 * Restartable sequences: the kernel goes on writing the number of the processor, and a thread saved
 * inside a critical section is still aborted from it when it is preempted.
 */
#include <linux/rseq.h>
#include <sched.h>
#include <stddef.h>
#include <sys/rseq.h>

#include "test/lib/victim.h"

static volatile int go, spins, aborts;

static struct rseq *area(void)
{
	return (struct rseq *)((char *)__builtin_thread_pointer() + __rseq_offset);
}

static void pin(int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	SYS(sched_setaffinity(0, sizeof(set), &set));
}

/* Spins inside the section until go is set; false if it was thrown out. */
static __attribute__((noinline)) bool section(struct rseq *rs)
{
	__asm__ goto(".pushsection __rseq_cs, \"aw\"\n"
		     ".balign 32\n"
		     "3:	.long 0, 0\n"
		     "	.quad 1f, 2f - 1f, 4f\n"
		     ".popsection\n"
		     "	lea 3b(%%rip), %%rax\n"
		     "	mov %%rax, %c[cs](%[rs])\n"
		     "1:	incl %[spins]\n"
		     "	cmpl $0, %[go]\n"
		     "	je 1b\n"
		     "2:	jmp 5f\n"
		     "	.long %c[sig]\n"
		     "4:	jmp %l[thrown_out]\n"
		     "5:\n"
		     :
		     : [rs] "r"(rs), [cs] "i"(offsetof(struct rseq, rseq_cs)), [spins] "m"(spins),
		       [go] "m"(go), [sig] "i"(RSEQ_SIG)
		     : "rax", "memory", "cc"
		     : thrown_out);
	return true;
thrown_out:
	return false;
}

static void *thread(void *arg)
{
	pin(0);
	victim_set();
	while (!section(area()))
		aborts++;
	pin(1);
	SAME(area()->cpu_id, 1);
	pin(0);
	SAME(area()->cpu_id, 0);
	return arg;
}

/* On the same processor, so that the other one must be preempted. */
static void expect_aborts(void)
{
	int64_t until = victim_now_ns() + 5000000000LL;
	int was = aborts;

	while (aborts < was + 3) {
		CHECK(victim_now_ns() < until, "nobody is thrown out of the section any more");
		for (volatile int i = 0; i < 100000; i++)
			;
	}
}

int main(void)
{
	cpu_set_t set;

	SYS(sched_getaffinity(0, sizeof(set), &set));
	if (__rseq_size == 0)
		victim_skip("the C library has not registered rseq");
	if (!CPU_ISSET(0, &set) || !CPU_ISSET(1, &set))
		victim_skip("there are not two processors to run on");
	pin(0);
	victim_thread(thread, NULL);
	expect_aborts();
	victim_ready();
	pin(0);
	expect_aborts();
	go = 1;
	victim_join();
	CHECK(spins != 0);
	victim_ok();
}
