/* The list of robust mutexes, which the kernel walks when the thread ends. */
#include "dump/robust_list.h"

#include <linux/futex.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include "lib/log.h"
#include "lib/remote.h"

static int ask(struct thread *th, struct err *e)
{
	ThreadCoreEntry *tc = th->core->thread_core;
	void *head = NULL;
	size_t size = 0;

	if (syscall(SYS_get_robust_list, th->tid, &head, &size) < 0)
		return err_sys(e, "get_robust_list of thread %d", th->tid);
	tc->futex_rla = (uint64_t)head;
	tc->futex_rla_len = head ? size : 0;
	return 0;
}

static int robust_list_read(struct task *t, struct err *e)
{
	for (size_t i = 0; i < t->thread_count; i++)
		if (ask(&t->threads[i], e) < 0)
			return e->code;
	return 0;
}

/* The list is a ring through its head. */
static void forget(const struct thread *th, uint64_t at, struct robust_list_head head)
{
	struct iovec here = { &head, sizeof(head) }, there = { (void *)at, sizeof(head) };

	if (!at || ((uint64_t)head.list.next == at && !head.list_op_pending) || !head.list.next)
		return;
	head.list.next = (struct robust_list *)at;
	head.list_op_pending = NULL;
	if (process_vm_writev(th->tid, &here, 1, &there, 1, 0) != sizeof(head))
		log_warn("thread %d: its robust mutexes will be taken for those of a dead owner",
			 th->tid);
}

static int forget_all(const struct task *t, struct err *e)
{
	own_mem uint64_t *at = calloc(t->thread_count, sizeof(*at));
	own_mem struct robust_list_head *heads = calloc(t->thread_count, sizeof(*heads));

	if (!at || !heads)
		return err_sys(e, "memory for %zu threads", t->thread_count);
	for (size_t i = 0; i < t->thread_count; i++)
		at[i] = t->threads[i].core->thread_core->futex_rla;
	struct remote_pieces pieces = { t->pid, at, t->thread_count, sizeof(*heads) };
	if (remote_gather(&pieces, heads, e) < 0)
		return e->code;
	for (size_t i = 0; i < t->thread_count; i++)
		forget(&t->threads[i], at[i], heads[i]);
	return 0;
}

void robust_lists_forget(struct dump *d)
{
	struct err e = { 0 };

	for (size_t i = 0; i < d->task_count; i++)
		if (d->tasks[i]->thread_count && forget_all(d->tasks[i], &e) < 0)
			log_warn("robust mutexes of pid %d: %s", d->tasks[i]->pid, e.text);
}

const struct task_kind robust_list_task_kind = {
	.name = "task/robust_list",
	.read = robust_list_read,
};
