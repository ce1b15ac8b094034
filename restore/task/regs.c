/* Registers: from CRIU's messages to what ptrace sets at the very end (restore/finish.c). */
#include "restore/regs.h"

#include "images/xstate.h"
#include "restore/extra.h"

enum { ERESTARTSYS = 512, ERESTARTNOHAND = 514 };

/* The kernel looks at the two only while the number of the call is there. */
static bool restarts(const UserX86RegsEntry *g)
{
	int64_t ax = (int64_t)g->ax;

	return (int64_t)g->orig_ax >= 0 && ax <= -ERESTARTSYS && ax >= -ERESTARTNOHAND;
}

/* Segments in the GDT are for 32-bit code only; an empty one is not present and not writable. */
static bool has_tls(const ThreadInfoX86 *info)
{
	for (size_t i = 0; i < info->n_tls; i++)
		if (!info->tls[i]->seg_not_present || !info->tls[i]->read_exec_only)
			return true;
	return false;
}

int regs_from_image(const struct rthread *th, struct user_regs_struct *ret, struct err *e)
{
	const UserX86RegsEntry *g = th->core->thread_info->gpregs;
	const UserX86FpregsEntry *fp = th->core->thread_info->fpregs;

	if ((g->has_mode && g->mode != USER_X86_REGS_MODE__NATIVE) ||
	    has_tls(th->core->thread_info))
		return err_say(e, "it runs 32-bit code, which is not supported");
	if (fp->xsave && fp->xsave->cet && fp->xsave->cet->cet)
		return err_say(e, "it has a shadow stack, which is not supported");
#define COPY(to, from) ret->to = g->from
	COPY(r15, r15), COPY(r14, r14), COPY(r13, r13), COPY(r12, r12);
	COPY(rbp, bp), COPY(rbx, bx), COPY(r11, r11), COPY(r10, r10), COPY(r9, r9), COPY(r8, r8);
	COPY(rax, ax), COPY(rcx, cx), COPY(rdx, dx), COPY(rsi, si), COPY(rdi, di);
	COPY(rip, ip), COPY(cs, cs), COPY(eflags, flags), COPY(rsp, sp), COPY(ss, ss);
	COPY(fs_base, fs_base), COPY(gs_base, gs_base);
	COPY(ds, ds), COPY(es, es), COPY(fs, fs), COPY(gs, gs);
#undef COPY
	ret->orig_rax = restarts(g) ? g->orig_ax : -1ULL;
	return 0;
}

int xstate_of_thread(const struct rthread *th, void *buf, size_t size, struct err *e)
{
	struct xstate x = { th->task->restore->xstate, buf, size };

	return xstate_from_image(th->core->thread_info->fpregs, th->extra, &x, e);
}

/* Said before anything is made, not when the last register is set. */
static int check(const struct rthread *th, const struct xstate *scratch, struct err *e)
{
	struct user_regs_struct regs;

	if (!th->core || !th->core->thread_info)
		return 0;
	if (regs_from_image(th, &regs, e) < 0 ||
	    xstate_from_image(th->core->thread_info->fpregs, th->extra, scratch, e) < 0)
		return err_on(e, "thread %d", th->tid);
	return 0;
}

static int regs_load(struct restore *r, struct err *e)
{
	struct xstate scratch;
	own_mem void *data = NULL;

	r->xstate = pool_new(&r->pool, struct xstate_layout);
	xstate_layout_read(r->xstate);
	if (xstate_scratch(r->xstate, &scratch, e) < 0)
		return e->code;
	data = scratch.data;
	for (size_t i = 0; i < r->task_count; i++)
		for (size_t k = 0; k < r->tasks[i]->thread_count; k++)
			if (check(&r->tasks[i]->threads[k], &scratch, e) < 0)
				return e->code;
	return 0;
}

const struct restore_kind regs_restore_kind = {
	.name = "task/regs",
	.load = regs_load,
};
