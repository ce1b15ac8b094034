/* Restartable sequences: registered again where they were. From here on the kernel writes the processor's number there. */
#include <errno.h>
#include <sys/syscall.h>

#include "restore/restore.h"

static int rseq_load(struct restore *r, struct err *e)
{
	for (size_t i = 0; i < r->task_count; i++)
		for (size_t k = 0; k < r->tasks[i]->thread_count; k++) {
			const CoreEntry *core = r->tasks[i]->threads[k].core;

			if (core && core->thread_core && core->thread_core->rseq_entry &&
			    core->thread_core->rseq_entry->has_rseq_cs_pointer)
				return err_code(
					e, ENOTSUP,
					"thread %d was saved inside a sequence that must not "
					"be restarted, which is not supported",
					r->tasks[i]->threads[k].tid);
		}
	return 0;
}

static int rseq_state(struct rthread *th, struct plan *p, struct err *e)
{
	const RseqEntry *rseq = th->core->thread_core->rseq_entry;

	(void)e;
	if (rseq && rseq->rseq_abi_pointer)
		plan_call(p, "register restartable sequences", SYS_rseq,
			  ARG(rseq->rseq_abi_pointer), ARG(rseq->rseq_abi_size), ARG(0),
			  ARG(rseq->signature));
	return 0;
}

const struct restore_kind rseq_restore_kind = {
	.name = "task/rseq",
	.load = rseq_load,
	.thread_state = rseq_state,
};
