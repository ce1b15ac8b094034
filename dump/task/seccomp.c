/*
 * Seccomp: strict mode, or filters, which ptrace gives back as they were installed (PTRACE_SECCOMP_GET_FILTER counts
 * from the oldest). seccomp.img has the chain of each thread as a run, newest filter first.
 *
 * A filter that asks a supervisor (SECCOMP_RET_USER_NOTIF) depends on a descriptor in another process, and is refused.
 */
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>

#include "dump/dump.h"
#include "images/image.h"
#include "images/task/seccomp.pb-c.h"

#ifndef PTRACE_SECCOMP_GET_METADATA
#define PTRACE_SECCOMP_GET_METADATA 0x420d
#endif

/* As the kernel has it; the headers of the C library do not. */
struct metadata {
	uint64_t number, flags;
};

static int seccomp_ask(struct thread *th, struct plan *p, void **note, struct err *e)
{
	int *entry = pool_new(&th->task->dump->pool, int);

	(void)e;
	*entry = plan_try(p, "ask for the seccomp mode", SYS_prctl, ARG(PR_GET_SECCOMP));
	*note = entry;
	return 0;
}

static int check(const struct sock_filter *code, long count, struct err *e)
{
	for (long i = 0; i < count; i++)
		if (code[i].code == (BPF_RET | BPF_K) &&
		    (code[i].k & SECCOMP_RET_ACTION_FULL) == SECCOMP_RET_USER_NOTIF) {
			err_code(e, ENOTSUP, "it has a seccomp filter that asks a supervisor");
			return err_hint(e, "the supervisor's descriptor cannot be carried over");
		}
	return 0;
}

/* *ret is NULL behind the last one. */
static int get_filter(struct thread *th, uint64_t number, SeccompFilter **ret, struct err *e)
{
	struct pool *pool = &th->task->dump->pool;
	struct metadata meta = { .number = number };
	SeccompFilter *f = pool_new(pool, SeccompFilter);
	struct sock_filter *code;
	long count;

	*ret = NULL;
	count = ptrace(PTRACE_SECCOMP_GET_FILTER, th->tid, number, NULL);
	if (count < 0 && errno == ENOENT)
		return 0;
	if (count < 0)
		return err_sys(e, "read seccomp filter %lu", number);
	code = pool_array(pool, struct sock_filter, count);
	if (ptrace(PTRACE_SECCOMP_GET_FILTER, th->tid, number, code) != count)
		return err_sys(e, "read seccomp filter %lu", number);
	if (check(code, count, e) < 0)
		return e->code;
	seccomp_filter__init(f);
	f->filter.data = (uint8_t *)code;
	f->filter.len = count * sizeof(*code);
	if (ptrace(PTRACE_SECCOMP_GET_METADATA, th->tid, sizeof(meta), &meta) >= 0) {
		f->has_flags = 1;
		f->flags = meta.flags;
	}
	*ret = f;
	return 0;
}

/* Room for a power of two. */
static void append(struct pool *pool, SeccompEntry *all, SeccompFilter *f)
{
	size_t n = all->n_seccomp_filters;

	if ((n & (n - 1)) == 0) {
		SeccompFilter **more = pool_array(pool, SeccompFilter *, 2 * n + 1);

		if (n)
			memcpy(more, all->seccomp_filters, n * sizeof(*more));
		all->seccomp_filters = more;
	}
	all->seccomp_filters[all->n_seccomp_filters++] = f;
}

static SeccompEntry *all_filters(struct dump *d)
{
	if (!d->seccomp) {
		d->seccomp = pool_new(&d->pool, SeccompEntry);
		seccomp_entry__init(d->seccomp);
	}
	return d->seccomp;
}

/* Read oldest first, and turned round in place: each is followed by one that is older. */
static int save_chain(struct thread *th, struct err *e)
{
	struct dump *d = th->task->dump;
	SeccompEntry *all = all_filters(d);
	size_t first = all->n_seccomp_filters, count;
	SeccompFilter *f;

	do {
		if (get_filter(th, all->n_seccomp_filters - first, &f, e) < 0)
			return e->code;
		if (f)
			append(&d->pool, all, f);
	} while (f);
	count = all->n_seccomp_filters - first;
	if (count == 0)
		return err_say(e, "it has seccomp filters that cannot be read");
	for (size_t i = 0; i < count / 2; i++) {
		SeccompFilter **a = &all->seccomp_filters[first + i];
		SeccompFilter **b = &all->seccomp_filters[first + count - 1 - i];

		f = *a, *a = *b, *b = f;
	}
	/* prev is the one that was installed next. */
	for (size_t i = 1; i < count; i++) {
		all->seccomp_filters[first + i]->has_prev = 1;
		all->seccomp_filters[first + i]->prev = first + i - 1;
	}
	th->core->thread_core->has_seccomp_filter = 1;
	th->core->thread_core->seccomp_filter = all->n_seccomp_filters - 1;
	return 0;
}

static int seccomp_save(struct thread *th, const struct plan *p, void *note, struct err *e)
{
	ThreadCoreEntry *tc = th->core->thread_core;
	long mode = plan_result(p, *(int *)note);

	if (mode <= SECCOMP_MODE_DISABLED) /* also a kernel without seccomp */
		return 0;
	tc->has_seccomp_mode = 1;
	tc->seccomp_mode = mode == SECCOMP_MODE_STRICT ? SECCOMP_MODE__strict :
							 SECCOMP_MODE__filter;
	return mode == SECCOMP_MODE_FILTER ? save_chain(th, e) : 0;
}

/* Written even when empty, as CRIU does. */
static int seccomp_finish(struct dump *d, struct err *e)
{
	return image_save(d->images, IMG_SECCOMP, 0, all_filters(d), e);
}

const struct task_kind seccomp_task_kind = {
	.name = "task/seccomp",
	.thread_ask = seccomp_ask,
	.thread_save = seccomp_save,
	.finish = seccomp_finish,
};
