/* System calls at the site; see site.h. */
#include "parasite/site.h"

#include <errno.h>
#include <sys/syscall.h>

/* 0f 05: syscall; eb fe: jmp to itself, where the thread may stay for ever. */
#define SITE_CODE 0xfeeb050fULL

static int site_write(struct injection *i, uint64_t word, struct err *e)
{
	if (ptrace(PTRACE_POKEDATA, i->pid, i->site, word) < 0)
		return err_sys(e, "write to %#lx of pid %d", (unsigned long)i->site, i->pid);
	return 0;
}

/*
 * The vdso's word at offset 8 is e_ident[8..15]: ABI version and padding, read by nobody after start-up. The code
 * goes to its upper half.
 */
static int site_open(struct injection *i, struct err *e)
{
	/* Noted as changed does not say that it has been written yet. */
	if (!i->site_changed) {
		errno = 0;
		i->site_word = ptrace(PTRACE_PEEKDATA, i->pid, i->site, 0);
		if (errno)
			return err_sys(e, "read %#lx of pid %d", (unsigned long)i->site, i->pid);
		i->site_changed = true;
	}
	return site_write(i, (i->site_word & 0xffffffff) | SITE_CODE << 32, e);
}

int site_close(struct injection *i, struct err *e)
{
	if (site_write(i, i->site_word, e) < 0)
		return e->code;
	i->site_changed = false;
	return 0;
}

/*
 * Every signal is blocked but SIGSTOP and SIGKILL. A SIGSTOP that comes while the runner is at work takes effect, for
 * the process, as it would have without us; the thread itself is made to go on.
 */
int site_go_on(int tid, int request, struct stop s, struct err *e)
{
	char text[64];

	if (s.kind == STOP_INTERRUPT || s.kind == STOP_GROUP)
		return tracee_go(tid, request, 0, e);
	if (s.kind == STOP_SIGNAL && s.value == SIGSTOP)
		return tracee_go(tid, request, SIGSTOP, e);
	return err_code(e, ESRCH, "thread %d %s while the runner was in it", tid,
			stop_text(s, text, sizeof(text)));
}

int site_change_thread(struct inject_thread *t, struct err *e)
{
	if (t->changed)
		return 0;
	t->changed = true;
	return tracee_set_mask(t->tid, ALL_BLOCKED, e);
}

/* The thread has been interrupted: until it stands still. A fault of our own code must not reach it. */
int site_await_still(int tid, struct err *e)
{
	struct stop s;

	for (;;) {
		if (tracee_await(tid, &s, e) < 0)
			return e->code;
		if (s.kind == STOP_INTERRUPT || s.kind == STOP_GROUP)
			return 0;
		if (tracee_interrupt(tid, e) < 0 || site_go_on(tid, PTRACE_CONT, s, e) < 0)
			return e->code;
	}
}

static int begin(struct site_call *c, struct err *e)
{
	struct injection *i = c->i;
	struct inject_thread *t = &i->threads[0];
	struct user_regs_struct r = t->regs;

	if (site_change_thread(t, e) < 0)
		return e->code;
	r.rip = i->site + 4;
	r.rax = c->nr;
	r.orig_rax = -1;
	r.rdi = c->arg[0];
	r.rsi = c->arg[1];
	r.rdx = c->arg[2];
	r.r10 = c->arg[3];
	r.r8 = c->arg[4];
	r.r9 = c->arg[5];
	r.eflags = 0x202;
	if (site_open(i, e) < 0 || tracee_set_regs(t->tid, &r, e) < 0)
		return e->code;
	i->parked = false;
	return tracee_go(t->tid, PTRACE_SYSCALL, 0, e);
}

static int await_entry(struct site_call *c, struct err *e)
{
	int tid = c->i->threads[0].tid;
	struct stop s;

	if (tracee_await(tid, &s, e) < 0)
		return e->code;
	while (s.kind != STOP_SYSCALL)
		if (site_go_on(tid, PTRACE_SYSCALL, s, e) < 0 || tracee_await(tid, &s, e) < 0)
			return e->code;
	/* The calls that are made here wait for nothing, so they do not notice; it stops behind the call. */
	if (tracee_interrupt(tid, e) < 0)
		return e->code;
	return tracee_go(tid, PTRACE_CONT, 0, e);
}

static int await_end(struct site_call *c, struct err *e)
{
	int tid = c->i->threads[0].tid;
	struct user_regs_struct r;

	if (site_await_still(tid, e) < 0 || tracee_get_regs(tid, &r, e) < 0)
		return e->code;
	c->i->parked = true;
	c->result = r.rax;
	return 0;
}

/* The rest of the calls is finished when one has failed: a leader that runs could not be helped. */
static int each(struct site_call *calls, size_t count,
		int (*step)(struct site_call *, struct err *), struct err *e)
{
	struct err first = { 0 };

	for (size_t k = 0; k < count; k++) {
		if (calls[k].failed)
			continue;
		if (step(&calls[k], e) == 0)
			continue;
		calls[k].failed = true;
		if (!first.code)
			first = *e;
	}
	if (first.code)
		*e = first;
	return first.code;
}

int site_calls(struct site_call *calls, size_t count, struct err *e)
{
	int (*const steps[])(struct site_call *, struct err *) = { begin, await_entry, await_end };
	struct err first = { 0 };

	for (size_t i = 0; i < 3; i++)
		if (each(calls, count, steps[i], e) < 0 && !first.code)
			first = *e;
	if (first.code)
		*e = first;
	return first.code;
}
