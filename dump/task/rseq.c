/*
 * Restartable sequences: where a thread has registered its struct rseq. A thread stopped inside a critical section is
 * moved to the section's abort handler, as the kernel does with one that was preempted: our plan runs in the thread
 * and would make the kernel forget that it was in there.
 */
#include <errno.h>
#include <linux/rseq.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/ptrace.h>
#include <sys/uio.h>

#include "dump/dump.h"
#include "lib/remote.h"

#ifndef PTRACE_GET_RSEQ_CONFIGURATION
#define PTRACE_GET_RSEQ_CONFIGURATION 0x420f
#endif

/* As the kernel gives it; the name of the type differs between headers. */
struct configuration {
	uint64_t pointer;
	uint32_t size, signature, flags, pad;
};

static int get(int tid, uint64_t from, void *ret, size_t size, struct err *e)
{
	struct iovec here = { ret, size }, there = { (void *)from, size };

	if (process_vm_readv(tid, &here, 1, &there, 1, 0) != (ssize_t)size)
		return err_sys(e, "read what was registered at %#lx", (unsigned long)from);
	return 0;
}

/* pointer: what the thread has in rseq_cs. */
static int leave_section(struct thread *th, uint64_t pointer, struct err *e)
{
	uint64_t area = th->core->thread_core->rseq_entry->rseq_abi_pointer;
	struct rseq_cs cs;
	uint32_t flags;

	if (get(th->tid, area + offsetof(struct rseq, flags), &flags, sizeof(flags), e) < 0 ||
	    get(th->tid, pointer, &cs, sizeof(cs), e) < 0)
		return e->code;
	if (th->regs.rip - cs.start_ip >= cs.post_commit_offset)
		return 0; /* it has left, and nobody has cleared the pointer yet */
	if ((flags | cs.flags) & RSEQ_CS_FLAG_NO_RESTART_ON_SIGNAL)
		return err_code(e, EAGAIN,
				"it is inside a sequence that must not be restarted; "
				"try again a moment later");
	th->regs.rip = cs.abort_ip;
	return 0;
}

static int read_registration(struct thread *th, struct err *e)
{
	RseqEntry *entry = pool_new(&th->task->dump->pool, RseqEntry);
	struct configuration c = { 0 };

	if (ptrace(PTRACE_GET_RSEQ_CONFIGURATION, th->tid, sizeof(c), &c) < 0) {
		/* Without CONFIG_RSEQ nothing can be registered; without the request one cannot know. */
		err_sys(e, "ask for its restartable sequences");
		return err_hint(e, "this needs Linux 5.13");
	}
	rseq_entry__init(entry);
	entry->rseq_abi_pointer = c.pointer;
	entry->rseq_abi_size = c.pointer ? c.size : 0;
	entry->signature = c.signature;
	th->core->thread_core->rseq_entry = entry;
	return 0;
}

static int rseq_read(struct task *t, struct err *e)
{
	own_mem uint64_t *at = calloc(t->thread_count, sizeof(*at));
	own_mem uint64_t *section = calloc(t->thread_count, sizeof(*section));
	struct remote_pieces pieces = { t->pid, at, t->thread_count, sizeof(*section) };

	if (!at || !section)
		return err_sys(e, "memory for %zu threads", t->thread_count);
	for (size_t i = 0; i < t->thread_count; i++) {
		const RseqEntry *entry;

		if (read_registration(&t->threads[i], e) < 0)
			return err_on(e, "thread %d", t->threads[i].tid);
		entry = t->threads[i].core->thread_core->rseq_entry;
		if (entry->rseq_abi_pointer)
			at[i] = entry->rseq_abi_pointer + offsetof(struct rseq, rseq_cs);
	}
	if (remote_gather(&pieces, section, e) < 0)
		return e->code;
	for (size_t i = 0; i < t->thread_count; i++)
		if (section[i] && leave_section(&t->threads[i], section[i], e) < 0)
			return err_on(e, "thread %d", t->threads[i].tid);
	return 0;
}

const struct task_kind rseq_task_kind = {
	.name = "task/rseq",
	.read = rseq_read,
};
