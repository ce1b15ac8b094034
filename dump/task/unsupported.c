/*
 * What a thread can have that cannot be carried, and would be missed: refused here, each with its sentence. (32-bit
 * code: regs.c. A first thread that has exited: dump/freeze.c. Address spaces shared by processes: dump/ids.c.)
 */
#include <errno.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>

#include "dump/dump.h"

#define PTRACE_GET_SYSCALL_USER_DISPATCH_CONFIG 0x4211 /* newer than the headers */
#define ARCH_SHSTK_STATUS 0x5005

enum { LDT_ENTRY = 8, LDT_READ = 0 };

struct dispatch {
	uint64_t mode, selector, offset, size;
};

static int dispatch_thread_read(struct thread *th, struct err *e)
{
	struct dispatch d = { 0 };

	if (ptrace(PTRACE_GET_SYSCALL_USER_DISPATCH_CONFIG, th->tid, sizeof(d), &d) < 0 || !d.mode)
		return 0; /* before 6.4 the kernel does not tell */
	return err_code(e, ENOTSUP,
			"it catches its own system calls (PR_SET_SYSCALL_USER_DISPATCH, "
			"as Wine does), which is not supported");
}

/* A thread may have its rings of io_uring under numbers of its own, which no descriptor shows. */
enum { RINGS = 16, ENTER_REGISTERED_RING = 1 << 4 };

struct note {
	uint64_t *shadow; /* in the plan's data */
	int status;
	int rings; /* the first of the entries that try them; -1: it can have none */
};

/* A call with nothing to do. */
static int ask_rings(struct plan *p)
{
	int first = -1;

	for (int i = 0; i < RINGS; i++) {
		int entry = plan_try(p, "try a registered ring", SYS_io_uring_enter, ARG(i), ARG(0),
				     ARG(0), ARG(ENTER_REGISTERED_RING), ARG(0), ARG(0));

		first = i ? first : entry;
	}
	return first;
}

static int check_rings(const struct plan *p, const struct note *n, struct err *e)
{
	for (int i = 0; n->rings >= 0 && i < RINGS; i++) {
		if (plan_result(p, n->rings + i) < 0)
			continue;
		err_code(
			e, ENOTSUP,
			"it has registered a ring of io_uring (IORING_REGISTER_RING_FDS), which is "
			"not supported");
		return err_hint(e, "let the program unregister it before the dump");
	}
	return 0;
}

static int shadow_ask(struct thread *th, struct plan *p, void **ret_note, struct err *e)
{
	struct note *n = pool_new(&th->task->dump->pool, struct note);

	(void)e;
	n->shadow = plan_data(p, sizeof(*n->shadow));
	n->status = plan_try(p, "ask for a shadow stack", SYS_arch_prctl, ARG(ARCH_SHSTK_STATUS),
			     DATA(p, n->shadow));
	n->rings = th->task->has_rings ? ask_rings(p) : -1;
	*ret_note = n;
	return 0;
}

static int shadow_save(struct thread *th, const struct plan *p, void *note, struct err *e)
{
	const struct note *n = note;

	(void)th;
	if (check_rings(p, n, e) < 0)
		return e->code;
	if (plan_result(p, n->status) < 0 || *n->shadow == 0)
		return 0;
	err_code(e, ENOTSUP, "it has a shadow stack, which is not supported");
	return err_hint(e, "start it with GLIBC_TUNABLES=glibc.cpu.x86_shstk=off");
}

static int ldt_ask(struct task *t, struct plan *p, void **note, struct err *e)
{
	int *entry = pool_new(&t->dump->pool, int);

	(void)e;
	*entry = plan_try(p, "ask for a local descriptor table", SYS_modify_ldt, ARG(LDT_READ),
			  DATA(p, plan_data(p, LDT_ENTRY)), ARG(LDT_ENTRY));
	*note = entry;
	return 0;
}

static int ldt_save(struct task *t, const struct plan *p, void *note, struct err *e)
{
	(void)t;
	if (plan_result(p, *(int *)note) <= 0)
		return 0;
	return err_code(e, ENOTSUP,
			"it has a local descriptor table (modify_ldt), which is not "
			"supported");
}

const struct task_kind unsupported_task_kind = {
	.name = "task/unsupported",
	.ask = ldt_ask,
	.save = ldt_save,
	.thread_read = dispatch_thread_read,
	.thread_ask = shadow_ask,
	.thread_save = shadow_save,
};
