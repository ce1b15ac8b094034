/*
 * Running plans in the tasks of a restore. Every task is a tracee, so one waitpid() for all tells that a
 * plan has ended (the runner's int3), that a thread was born, and that something died.
 *
 * The kernel looks through all tracees for that. So the one that was started first is waited for alone: when many were
 * started, the others have mostly ended by then too, and a thousand threads cost a thousand times one.
 */
#include "restore/run.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/io.h"
#include "lib/log.h"
#include "lib/proc.h"
#include "restore/ns.h"

enum { OTHERS_US = 20000 };

struct run {
	int tid;
	bool dies; /* is meant to end */
	bool dead;
	struct plan *plan; /* running, NULL: stands still */
	const char *what;
};

/* Threads by tid: open addressing, never removed from. */
struct runs {
	struct run *slot;
	size_t size, used; /* size: a power of two */
	size_t running;
	int *started; /* in this order; those before first have ended */
	size_t started_count, first;
	struct user_regs_struct base;
};

int runs_open(struct restore *r, struct err *e)
{
	r->runs = calloc(1, sizeof(*r->runs));
	if (!r->runs)
		return err_sys(e, "memory for runs");
	r->runs->size = 256;
	r->runs->slot = calloc(r->runs->size, sizeof(struct run));
	return r->runs->slot ? 0 : err_sys(e, "memory for runs");
}

void runs_close(struct restore *r)
{
	if (r->runs) {
		free(r->runs->slot);
		free(r->runs->started);
	}
	free(r->runs);
	r->runs = NULL;
}

static struct run *find(struct runs *all, int tid)
{
	size_t i = (unsigned int)tid & (all->size - 1);

	while (all->slot[i].tid && all->slot[i].tid != tid)
		i = (i + 1) & (all->size - 1);
	return &all->slot[i];
}

static int grow(struct runs *all, struct err *e)
{
	struct runs more = { .size = all->size * 2 };

	more.slot = calloc(more.size, sizeof(struct run));
	if (!more.slot)
		return err_sys(e, "memory for %zu threads", more.size);
	for (size_t i = 0; i < all->size; i++)
		if (all->slot[i].tid)
			*find(&more, all->slot[i].tid) = all->slot[i];
	free(all->slot);
	all->slot = more.slot;
	all->size = more.size;
	return 0;
}

int run_adopt(struct restore *r, int tid, struct err *e)
{
	struct run *run = find(r->runs, tid);

	if (run->tid)
		return 0;
	run->tid = tid;
	if (++r->runs->used * 2 > r->runs->size)
		return grow(r->runs, e);
	return 0;
}

void run_set_base(struct restore *r, const struct user_regs_struct *base)
{
	r->runs->base = *base;
	r->runs->base.fs_base = r->runs->base.gs_base = 0;
	r->runs->base.eflags = 0x202;
	r->runs->base.orig_rax = -1;
}

int run_start(struct restore *r, int tid, struct plan *p, const char *what, struct err *e)
{
	struct run *run = find(r->runs, tid);
	struct user_regs_struct regs = r->runs->base;

	if (plan_check(p, e) < 0)
		return err_on(e, "%s", what);
	if (r->opt->dry_run) {
		printf("thread %d, %s:\n", tid, what);
		plan_print(p, stdout);
		return 0;
	}
	if (!run->tid || run->dead)
		return err_code(e, ESRCH, "%s: thread %d is gone", what, tid);
	if (r->runs->running == 0)
		r->runs->started_count = r->runs->first = 0;
	if (io_grow(&r->runs->started, r->runs->started_count, sizeof(tid), e) < 0)
		return e->code;
	p->wire->end = PLAN_END_TRAP;
	regs.rip = r->arena.there.at;
	regs.rdi = arena_there(&r->arena, p->wire).at;
	regs.rsp = p->stack.at;
	if (tracee_set_regs(tid, &regs, e) < 0 || tracee_go(tid, PTRACE_CONT, 0, e) < 0)
		return err_on(e, "%s", what);
	run->plan = p;
	run->what = what;
	r->runs->started[r->runs->started_count++] = tid;
	r->runs->running++;
	return 0;
}

/* Its plan, which is not running any more; NULL: none was. */
static struct plan *stand_still(struct restore *r, struct run *run)
{
	struct plan *p = run->plan;

	if (p)
		r->runs->running--;
	run->plan = NULL;
	return p;
}

static int died(struct restore *r, struct run *run, struct stop s, struct err *e)
{
	char text[64];

	run->dead = true;
	stand_still(r, run);
	if (run->dies)
		return 0;
	return err_code(e, ECHILD, "%s: thread %d %s while it was being restored",
			run->what ? run->what : "restore", run->tid,
			stop_text(s, text, sizeof(text)));
}

/* The end of a plan, and not a SIGTRAP that somebody has sent. */
static bool is_trap(int tid)
{
	siginfo_t info;

	return ptrace(PTRACE_GETSIGINFO, tid, 0, &info) < 0 || info.si_code > 0;
}

static struct rthread *find_unborn(struct restore *r, int tid)
{
	for (size_t i = 0; i < r->task_count; i++)
		for (size_t k = 0; k < r->tasks[i]->thread_count; k++) {
			struct rthread *th = &r->tasks[i]->threads[k];

			if (th->tid == tid && !th->here)
				return th;
		}
	return NULL;
}

/* In a pid namespace of its own we cannot know what number it has for us until it is there. */
static int newborn(struct restore *r, int here, struct err *e)
{
	struct rthread *th;
	own_fd proc = -1;
	int tid;

	if (run_adopt(r, here, e) < 0)
		return e->code;
	if (!rns_is_own(r, NS_PID))
		return 0;
	if (proc_open(here, &proc, e) < 0 || proc_inner(proc, "status", "NSpid:", &tid, e) < 0)
		return e->code;
	th = find_unborn(r, tid);
	if (th)
		th->here = here;
	return 0;
}

/* One report of one tracee. */
static int handle(struct restore *r, int tid, struct stop s, struct err *e)
{
	struct run *run = find(r->runs, tid);

	if (!run->tid) {
		/* Newborn (the report may come before its creator's), or a child that is none of ours. */
		return s.kind == STOP_INTERRUPT ? newborn(r, tid, e) : 0;
	}
	if (s.kind == STOP_EXITED || s.kind == STOP_KILLED)
		return died(r, run, s, e);
	if (s.kind == STOP_SIGNAL && s.value == SIGTRAP && run->plan && is_trap(tid)) {
		if (plan_outcome(stand_still(r, run), e) < 0)
			return err_on(e, "%s", run->what);
		return run->dies ? err_say(e, "%s: thread %d did not end", run->what, tid) : 0;
	}
	if (s.kind == STOP_SIGNAL && !run->dies) {
		/* It may be its memory that is not as it has to be: the kernel writes where rseq is registered. */
		stand_still(r, run);
		return err_say(e, "%s: signal %d reached thread %d while it was being restored",
			       run->what ? run->what : "restore", s.value, tid);
	}
	return tracee_go(tid, PTRACE_CONT, s.kind == STOP_SIGNAL ? s.value : 0, e);
}

/* The thread that was started first among those that still run; 0: none. */
static int first_running(struct runs *all)
{
	for (; all->first < all->started_count; all->first++)
		if (find(all, all->started[all->first])->plan)
			return all->started[all->first];
	return 0;
}

static void on_alarm(int sig)
{
	(void)sig; /* only to interrupt waitpid */
}

/* For one thread, looking at all others now and then: what it waits for may have died. */
static pid_t wait_mostly(int tid, int *status)
{
	struct sigaction sa = { .sa_handler = on_alarm }, before;
	struct itimerval often = { { 0, OTHERS_US }, { 0, OTHERS_US } }, never = { 0 };
	pid_t got;

	sigaction(SIGALRM, &sa, &before);
	setitimer(ITIMER_REAL, &often, NULL);
	got = waitpid(tid, status, __WALL);
	setitimer(ITIMER_REAL, &never, NULL);
	sigaction(SIGALRM, &before, NULL);
	if (got > 0 || errno != EINTR)
		return got;
	got = waitpid(-1, status, __WALL | WNOHANG);
	errno = EINTR;
	return got > 0 ? got : -1;
}

/* likely: a thread that may have something to report; 0: none. */
static int wait_report(struct restore *r, int likely, struct err *e)
{
	int status;
	pid_t tid = likely ? waitpid(likely, &status, __WALL | WNOHANG) : -1;

	if (tid == 0)
		tid = wait_mostly(likely, &status);
	else if (tid < 0)
		tid = waitpid(-1, &status, __WALL);
	if (tid < 0 && errno == EINTR)
		return 0;
	if (tid < 0)
		return err_sys(e, "wait for the tasks");
	return handle(r, tid, stop_decode(status), e);
}

int run_wait(struct restore *r, struct err *e)
{
	struct err first = { 0 };

	while (r->runs->running) {
		if (wait_report(r, first_running(r->runs), e) < 0 && !first.code)
			first = *e;
		if (first.code == -ECHILD)
			break; /* what waits for the dead one may never end */
	}
	if (first.code)
		*e = first;
	return first.code;
}

int run_one(struct restore *r, int tid, struct plan *p, const char *what, struct err *e)
{
	int res = run_start(r, tid, p, what, e);

	if (res == 0)
		res = run_wait(r, e);
	plan_end(p);
	return res;
}

int run_to_death(struct restore *r, int tid, struct plan *p, struct err *e)
{
	find(r->runs, tid)->dies = true;
	if (run_start(r, tid, p, "end of a zombie or helper", e) < 0)
		return e->code;
	while (!find(r->runs, tid)->dead && !r->opt->dry_run)
		if (wait_report(r, 0, e) < 0)
			return e->code;
	return 0;
}

int run_syscall_begin(struct restore *r, int tid, const struct hand_call *c, struct err *e)
{
	struct user_regs_struct regs = r->runs->base;

	regs.rip = r->arena.there.at + ARENA_SYSCALL_AT;
	regs.rax = c->nr;
	regs.rdi = c->args[0];
	regs.rsi = c->args[1];
	regs.rdx = c->args[2];
	regs.r10 = c->args[3];
	regs.r8 = c->args[4];
	regs.r9 = c->args[5];
	if (tracee_set_regs(tid, &regs, e) < 0)
		return e->code;
	return tracee_go(tid, PTRACE_SYSCALL, 0, e);
}

/* The entry or the exit has been reached. */
static int await_syscall(int tid, struct err *e)
{
	struct stop s;
	int got;

	while ((got = tracee_wait(tid, &s, e)) == -EINTR)
		;
	if (got < 0)
		return got;
	return s.kind == STOP_SYSCALL ? 0 : err_say(e, "thread %d did not make a system call", tid);
}

int run_syscall_step(int tid, struct err *e)
{
	if (await_syscall(tid, e) < 0)
		return e->code;
	return tracee_go(tid, PTRACE_SYSCALL, 0, e);
}

/* At the exit it is still in the kernel, so the code that made the call may be gone by now. */
int run_syscall_end(int tid, struct hand_call *c, struct err *e)
{
	struct user_regs_struct regs;

	if (await_syscall(tid, e) < 0 || tracee_get_regs(tid, &regs, e) < 0)
		return e->code;
	c->result = regs.rax;
	return 0;
}

int run_syscall(struct restore *r, int tid, struct hand_call *c, struct err *e)
{
	if (run_syscall_begin(r, tid, c, e) < 0 || run_syscall_step(tid, e) < 0)
		return e->code;
	return run_syscall_end(tid, c, e);
}

int run_await_birth(struct restore *r, struct rthread *th, struct err *e)
{
	while (!r->opt->dry_run && (!th->here || !find(r->runs, th->here)->tid))
		if (wait_report(r, th->here, e) < 0)
			return e->code;
	return 0;
}

static size_t kill_known(struct runs *all)
{
	size_t count = 0;

	for (size_t i = 0; i < all->size; i++)
		if (all->slot[i].tid && !all->slot[i].dead) {
			kill(all->slot[i].tid, SIGKILL);
			count++;
		}
	return count;
}

/* In the order in which they are reported: the end of a leader is only told when its other threads have been reaped. */
void run_kill_all(struct restore *r)
{
	struct err ignored = { 0 };
	size_t left;
	int status;
	pid_t tid;

	if (!r->runs)
		return;
	/* Newborn ones whose first report was not read yet. Any that come later die with us (PTRACE_O_EXITKILL). */
	while ((tid = waitpid(-1, &status, __WALL | WNOHANG)) > 0)
		(void)!handle(r, tid, stop_decode(status), &ignored);
	left = kill_known(r->runs);
	while (left > 0) {
		tid = waitpid(-1, &status, __WALL);
		if (tid < 0 && errno == ECHILD)
			break;
		struct run *run = tid > 0 ? find(r->runs, tid) : NULL;
		if (run && run->tid && !run->dead && (WIFEXITED(status) || WIFSIGNALED(status))) {
			run->dead = true;
			left--;
		} else if (run && !run->tid && WIFSTOPPED(status)) {
			kill(tid, SIGKILL);
		}
	}
}
