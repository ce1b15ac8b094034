/*
 * The only code of ours that ever runs inside another process: it makes the system calls of a plan,
 * one after the other, and stops at the first that fails.
 *
 * Freestanding: no libc, no errno, no pointers to fix up, general registers only (the floating point
 * state of the thread is never touched). It starts with the plan's address in the first argument
 * register and a few hundred bytes of stack, all signals blocked.
 */
#include "parasite/wire.h"
#include "parasite/sys_x86_64.h"

static void stop_if_alone(const struct plan_wire *plan)
{
	const uint32_t *owner = (const uint32_t *)plan->owner;

	while (owner && __atomic_load_n(owner, __ATOMIC_SEQ_CST) & PLAN_OWNER_DIED)
		raw_relax();
}

/*
 * Nobody may be there to see how the plan ended: a dumper can be killed at any time, and its tracees then run on from
 * where they are. So a parked thread harms nobody until somebody puts it back. What it waits in is a call that the
 * kernel never restarts by itself: a thread that wakes up looks whether it is alone.
 */
static void park(struct plan_wire *plan)
{
	uint64_t wake[PLAN_ARGS] = { (uint64_t)&plan->done, 1 /* FUTEX_WAKE */, 1 };
	uint64_t wait[PLAN_ARGS] = { (uint64_t)&plan->none, 0, 0, sizeof(plan->none) };

	__atomic_store_n(&plan->done, 1, __ATOMIC_SEQ_CST);
	stop_if_alone(plan);
	raw_syscall(RAW_SYS_FUTEX, wake);
	for (;;) {
		stop_if_alone(plan);
		raw_syscall(RAW_SYS_RT_SIGTIMEDWAIT, wait);
		raw_relax();
	}
}

__attribute__((section(".text.entry"), noreturn, used)) void runner(struct plan_wire *plan)
{
	for (uint32_t i = 0; i < plan->count; i++) {
		struct plan_entry *c = &plan->entry[i];
		uint64_t arg[PLAN_ARGS];

		for (int k = 0; k < PLAN_ARGS; k++)
			arg[k] = c->from_result >> k & 1 ? (uint64_t)plan->entry[c->arg[k]].result :
							   c->arg[k];
		stop_if_alone(plan);
		c->result = raw_syscall(c->nr, arg);
		plan->ran = i + 1;
		if ((uint64_t)c->result > -4096UL && !(c->flags & PLAN_MAY_FAIL))
			break;
	}
	if (plan->end == PLAN_END_PARK)
		park(plan);
	for (;;)
		raw_trap();
}
