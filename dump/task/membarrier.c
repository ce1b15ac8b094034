/* The kinds of membarrier(2) that the process has registered for. */
#include <linux/membarrier.h>
#include <sys/syscall.h>

#include "dump/dump.h"

#define GET_REGISTRATIONS (1 << 9) /* newer than the headers */

static int membarrier_ask(struct task *t, struct plan *p, void **note, struct err *e)
{
	int *entry = pool_new(&t->dump->pool, int);

	(void)e;
	/* Before 6.3 the kernel does not tell. */
	*entry = plan_try(p, "ask for membarrier registrations", SYS_membarrier,
			  ARG(GET_REGISTRATIONS));
	*note = entry;
	return 0;
}

static int membarrier_save(struct task *t, const struct plan *p, void *note, struct err *e)
{
	TaskCoreEntry *tc = t->threads[0].core->tc;
	long mask = plan_result(p, *(int *)note);

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
