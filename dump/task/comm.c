/* The name of each thread; that of the process is its leader's. */
#include <sys/prctl.h>
#include <sys/syscall.h>

#include "dump/dump.h"

enum { NAME_SIZE = 16 };

static int comm_ask(struct thread *th, struct plan *p, void **note, struct err *e)
{
	char *name = plan_data(p, NAME_SIZE);

	(void)th, (void)e;
	plan_call(p, "ask for the name", SYS_prctl, ARG(PR_GET_NAME), DATA(p, name));
	*note = name;
	return 0;
}

static int comm_save(struct thread *th, const struct plan *p, void *note, struct err *e)
{
	(void)p, (void)e;
	th->core->thread_core->comm =
		pool_format(&th->task->dump->pool, "%.*s", NAME_SIZE - 1, (const char *)note);
	return 0;
}

const struct task_kind comm_task_kind = {
	.name = "task/comm",
	.thread_ask = comm_ask,
	.thread_save = comm_save,
};
