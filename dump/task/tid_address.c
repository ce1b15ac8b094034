/* clear_child_tid: the address that the kernel clears, and wakes, when the thread ends. */
#include <sys/prctl.h>
#include <sys/syscall.h>

#include "dump/dump.h"

static int tid_address_ask(struct thread *th, struct plan *p, void **note, struct err *e)
{
	uint64_t *address = plan_data(p, sizeof(*address));

	(void)th, (void)e;
	plan_call(p, "ask for clear_child_tid", SYS_prctl, ARG(PR_GET_TID_ADDRESS),
		  DATA(p, address));
	*note = address;
	return 0;
}

static int tid_address_save(struct thread *th, const struct plan *p, void *note, struct err *e)
{
	(void)p, (void)e;
	th->core->thread_info->clear_tid_addr = *(uint64_t *)note;
	return 0;
}

const struct task_kind tid_address_task_kind = {
	.name = "task/tid_address",
	.thread_ask = tid_address_ask,
	.thread_save = tid_address_save,
};
