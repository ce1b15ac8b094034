/*
 * The kinds of membarrier(2) that the process has registered for. Since 6.3 the kernel tells. Before, a private
 * barrier is tried, which only those may make who have registered for it. Nobody can be asked whether the process
 * takes part in the global ones of others, so it is taken to: without that it might miss one, with it it is
 * interrupted for nothing at most.
 */
#include <errno.h>
#include <linux/membarrier.h>
#include <sys/syscall.h>

#include "dump/dump.h"
#include "lib/kernel.h"

#define GET_REGISTRATIONS (1 << 9) /* newer than the headers */

static const struct barrier {
	int make, registration;
} private_ones[] = {
	{ MEMBARRIER_CMD_PRIVATE_EXPEDITED, MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED },
	{ MEMBARRIER_CMD_PRIVATE_EXPEDITED_SYNC_CORE,
	  MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED_SYNC_CORE },
	{ MEMBARRIER_CMD_PRIVATE_EXPEDITED_RSEQ, MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED_RSEQ },
};

enum { PRIVATE_ONES = sizeof(private_ones) / sizeof(*private_ones) };

/* Entries of the plan. */
struct question {
	int all, made[PRIVATE_ONES];
};

static int membarrier_ask(struct task *t, struct plan *p, void **note, struct err *e)
{
	struct question *q = pool_new(&t->dump->pool, struct question);

	(void)e;
	*note = q;
	if (kernel_has(KERNEL_MEMBARRIER)) {
		q->all = plan_try(p, "ask for membarrier registrations", SYS_membarrier,
				  ARG(GET_REGISTRATIONS));
		return 0;
	}
	for (int i = 0; i < PRIVATE_ONES; i++)
		q->made[i] =
			plan_try(p, "try a barrier", SYS_membarrier, ARG(private_ones[i].make));
	return 0;
}

static long guess_mask(const struct plan *p, const struct question *q)
{
	long mask = MEMBARRIER_CMD_REGISTER_GLOBAL_EXPEDITED, first = plan_result(p, q->made[0]);

	if (first != 0 && first != -EPERM) /* a kernel built without it */
		return 0;
	for (int i = 0; i < PRIVATE_ONES; i++) {
		if (plan_result(p, q->made[i]) == 0)
			mask |= private_ones[i].registration;
	}
	return mask;
}

static int membarrier_save(struct task *t, const struct plan *p, void *note, struct err *e)
{
	TaskCoreEntry *tc = t->threads[0].core->tc;
	const struct question *q = note;
	long mask = kernel_has(KERNEL_MEMBARRIER) ? plan_result(p, q->all) : guess_mask(p, q);

	(void)e;
	tc->has_membarrier_registration_mask = mask > 0;
	tc->membarrier_registration_mask = mask > 0 ? mask : 0;
	return 0;
}

const struct task_kind membarrier_task_kind = {
	.name = "task/membarrier",
	.ask = membarrier_ask,
	.save = membarrier_save,
};
