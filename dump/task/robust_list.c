/* The list of robust mutexes, which the kernel walks when the thread ends. */
#include <sys/syscall.h>
#include <unistd.h>

#include "dump/dump.h"

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

const struct task_kind robust_list_task_kind = {
	.name = "task/robust_list",
	.thread_read = robust_list_thread_read,
};
