/* Priority of a thread at the disk. */
#include <sys/syscall.h>

#include "restore/extra.h"

enum { WHO_PROCESS = 1 };

static int ioprio_last(struct rthread *th, struct plan *p, struct err *e)
{
	(void)e;
	if (th->extra && th->extra->has_io_priority)
		plan_call(p, "set the I/O priority", SYS_ioprio_set, ARG(WHO_PROCESS), ARG(0),
			  ARG(th->extra->io_priority));
	return 0;
}

const struct restore_kind ioprio_restore_kind = {
	.name = "task/ioprio",
	.thread_last = ioprio_last,
};
