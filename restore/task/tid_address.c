/* clear_child_tid: the address that the kernel clears, and wakes, when the thread ends. */
#include <sys/syscall.h>

#include "restore/restore.h"

static int tid_address_state(struct rthread *th, struct plan *p, struct err *e)
{
	uint64_t address = th->core->thread_info->clear_tid_addr;

	(void)e;
	if (address)
		plan_call(p, "set clear_child_tid", SYS_set_tid_address, ARG(address));
	return 0;
}

const struct restore_kind tid_address_restore_kind = {
	.name = "task/tid_address",
	.thread_state = tid_address_state,
};
