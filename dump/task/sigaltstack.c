/* The alternate signal stack of each thread. Only the thread itself can be asked. */
#include <signal.h>
#include <sys/syscall.h>

#include "dump/dump.h"

static int sigaltstack_ask(struct thread *th, struct plan *p, void **note, struct err *e)
{
	stack_t *ss = plan_data(p, sizeof(*ss));

	(void)th, (void)e;
	plan_call(p, "ask for the alternate stack", SYS_sigaltstack, ARG(0), DATA(p, ss));
	*note = ss;
	return 0;
}

static int sigaltstack_save(struct thread *th, const struct plan *p, void *note, struct err *e)
{
	ThreadSasEntry *sas = pool_new(&th->task->dump->pool, ThreadSasEntry);
	const stack_t *ss = note;

	(void)p, (void)e;
	thread_sas_entry__init(sas);
	sas->ss_sp = (uint64_t)ss->ss_sp;
	sas->ss_size = ss->ss_size;
	sas->ss_flags = (uint32_t)ss->ss_flags;
	th->core->thread_core->sas = sas;
	return 0;
}

const struct task_kind sigaltstack_task_kind = {
	.name = "task/sigaltstack",
	.thread_ask = sigaltstack_ask,
	.thread_save = sigaltstack_save,
};
