/* The name of each thread. */
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#include "restore/restore.h"

enum { NAME_SIZE = 16 };

static int comm_state(struct rthread *th, struct plan *p, struct err *e)
{
	const char *comm = th->core->thread_core->comm;
	char *name = plan_data(p, NAME_SIZE);

	(void)e;
	if (!comm && th->core->tc)
		comm = th->core->tc->comm;
	if (!comm)
		return 0;
	strncpy(name, comm, NAME_SIZE - 1);
	plan_call(p, "set the name", SYS_prctl, ARG(PR_SET_NAME), DATA(p, name));
	return 0;
}

const struct restore_kind comm_restore_kind = {
	.name = "task/comm",
	.thread_state = comm_state,
};
