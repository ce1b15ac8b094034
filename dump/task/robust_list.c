/* The list of robust mutexes, which the kernel walks when the thread ends. */
#include "dump/robust_list.h"

#include <linux/futex.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include "lib/log.h"

static int robust_list_thread_read(struct thread *th, struct err *e)
{
	ThreadCoreEntry *tc = th->core->thread_core;
	void *head = NULL;
	size_t size = 0;

	if (syscall(SYS_get_robust_list, th->tid, &head, &size) < 0)
		return err_sys(e, "get_robust_list");
	tc->futex_rla = (uint64_t)head;
	tc->futex_rla_len = head ? size : 0;
	return 0;
}

/* The list is a ring through its head. */
static void forget(const struct thread *th)
{
	uint64_t at = th->core->thread_core->futex_rla;
	struct robust_list_head head;
	struct iovec here = { &head, sizeof(head) }, there = { (void *)at, sizeof(head) };

	if (!at || process_vm_readv(th->tid, &here, 1, &there, 1, 0) != sizeof(head))
		return;
	if ((uint64_t)head.list.next == at && !head.list_op_pending)
		return;
	head.list.next = (struct robust_list *)at;
	head.list_op_pending = NULL;
	if (process_vm_writev(th->tid, &here, 1, &there, 1, 0) != sizeof(head))
		log_warn("thread %d: its robust mutexes will be taken for those of a dead owner",
			 th->tid);
}

void robust_lists_forget(struct dump *d)
{
	for (size_t i = 0; i < d->task_count; i++)
		for (size_t k = 0; k < d->tasks[i]->thread_count; k++)
			forget(&d->tasks[i]->threads[k]);
}

const struct task_kind robust_list_task_kind = {
	.name = "task/robust_list",
	.thread_read = robust_list_thread_read,
};
