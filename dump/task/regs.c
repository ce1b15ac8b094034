/*
 * Registers: general ones, segment bases, extended state. What ptrace has read at the stop goes into CRIU's messages;
 * a system call in progress is put as CRIU does it, so that it is made again (see restart.c for the rest).
 */
#include <errno.h>

#include "dump/extra.h"
#include "dump/machine.h"

enum {
	USER_CS = 0x33, /* 64-bit code */
	ERESTART_RESTARTBLOCK = 516,
	SYSCALL_SIZE = 2,
	TLS_SLOTS = 3,
	FIRST_TLS_SLOT = 12,
};

static void general_to_image(const struct thread *th, UserX86RegsEntry *ret)
{
	const struct user_regs_struct *r = &th->regs;

	user_x86_regs_entry__init(ret);
#define COPY(to, from) ret->to = r->from
	COPY(r15, r15), COPY(r14, r14), COPY(r13, r13), COPY(r12, r12);
	COPY(bp, rbp), COPY(bx, rbx), COPY(r11, r11), COPY(r10, r10), COPY(r9, r9), COPY(r8, r8);
	COPY(ax, rax), COPY(cx, rcx), COPY(dx, rdx), COPY(si, rsi), COPY(di, rdi);
	COPY(orig_ax, orig_rax), COPY(ip, rip), COPY(cs, cs), COPY(flags, eflags), COPY(sp, rsp);
	COPY(ss, ss), COPY(fs_base, fs_base), COPY(gs_base, gs_base);
	COPY(ds, ds), COPY(es, es), COPY(fs, fs), COPY(gs, gs);
#undef COPY
	ret->has_mode = 1;
	ret->mode = USER_X86_REGS_MODE__NATIVE;
	if (th->extra && th->extra->has_restart) {
		ret->ax = r->orig_rax;
		ret->ip -= SYSCALL_SIZE;
	} else if ((int64_t)r->orig_rax >= 0 && (int64_t)r->rax == -ERESTART_RESTARTBLOCK) {
		ret->ax = -EINTR;
	}
}

/* Segments of the GDT are for 32-bit code, which is refused; a reader expects three empty ones. */
static void tls_to_image(struct pool *pool, ThreadInfoX86 *ret)
{
	ret->n_tls = TLS_SLOTS;
	ret->tls = pool_array(pool, UserDescT *, TLS_SLOTS);
	for (int i = 0; i < TLS_SLOTS; i++) {
		ret->tls[i] = pool_new(pool, UserDescT);
		user_desc_t__init(ret->tls[i]);
		ret->tls[i]->entry_number = FIRST_TLS_SLOT + i;
		ret->tls[i]->read_exec_only = 1;
		ret->tls[i]->seg_not_present = 1;
	}
}

static int regs_thread_read(struct thread *th, struct err *e)
{
	struct pool *pool = &th->task->dump->pool;
	ThreadInfoX86 *info = pool_new(pool, ThreadInfoX86);
	struct xstate x = { &machine_of(th->task->dump)->xstate, th->xstate, th->xstate_size };
	ExtraEntry rest;

	if (th->regs.cs != USER_CS)
		return err_code(e, ENOTSUP, "it runs 32-bit code, which is not supported");
	thread_info_x86__init(info);
	info->gpregs = pool_new(pool, UserX86RegsEntry);
	general_to_image(th, info->gpregs);
	xstate_to_image(pool, &x, info);
	extra_entry__init(&rest);
	if (xstate_rest_to_image(pool, &x, &rest, e) < 0)
		return e->code;
	if (rest.n_xstate) {
		thread_extra(th)->n_xstate = rest.n_xstate;
		thread_extra(th)->xstate = rest.xstate;
	}
	tls_to_image(pool, info);
	th->core->thread_info = info;
	return 0;
}

const struct task_kind regs_task_kind = {
	.name = "task/regs",
	.thread_read = regs_thread_read,
};
