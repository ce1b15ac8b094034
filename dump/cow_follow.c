/* Following a tree that runs; see cow_follow.h. */
#include "dump/cow_follow.h"

#include <errno.h>
#include <linux/kcmp.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "dump/cow_calls.h"
#include "dump/cow_exit.h"
#include "dump/freeze.h"
#include "lib/io.h"
#include "lib/log.h"
#include "lib/proc.h"
#include "lib/ptrace.h"

enum {
	PATIENCE_US =
		5000000, /* for a thread that does not stop, at the end: our own end lets it go as well */
	TICK_NS = 50000000,
};

const unsigned long cow_follow_options = PTRACE_O_TRACESYSGOOD | PTRACE_O_TRACEEXIT |
					 PTRACE_O_TRACECLONE | PTRACE_O_TRACEFORK |
					 PTRACE_O_TRACEVFORK | PTRACE_O_TRACEEXEC;

/* Units that have to be saved before a thread goes on. */
struct waiting {
	size_t at, last;
};

struct tracee {
	int tid, pid;
	struct cow_space *space;	     /* NULL: not known before its first report */
	bool knows_tid_address, knows_child; /* the two below are valid */
	uint64_t tid_address;
	uint64_t child_tid_address; /* of the thread that it is making */
	struct waiting waiting[2];
	bool held, ending, interrupted;
	bool moves; /* it is inside of mremap(), or held at its entry */
};

struct cow_follow {
	struct tracee **all; /* by tid */
	size_t count;
	struct cow_work *work;
	bool saving;
	bool still; /* nothing may be moved: mappings are taken out of userfaultfd piece by piece */
	bool over;  /* nobody is followed any more */
	pthread_t owner;
	sigset_t mask; /* as it was before */
	struct err err;
};

int cow_follow_begin(struct cow_follow **ret, struct err *e)
{
	struct cow_follow *f = calloc(1, sizeof(*f));
	sigset_t news;

	if (!f)
		return err_sys(e, "memory to follow the tree");
	sigemptyset(&news);
	sigaddset(&news, SIGCHLD);
	sigaddset(&news, COW_NEWS);
	pthread_sigmask(SIG_BLOCK, &news, &f->mask);
	f->owner = pthread_self();
	*ret = f;
	return 0;
}

void cow_follow_wake(struct cow_follow *f)
{
	pthread_kill(f->owner, COW_NEWS);
}

void cow_follow_forget(struct cow_follow *f)
{
	while (f->count)
		free(f->all[--f->count]);
}

void cow_follow_free(struct cow_follow *f)
{
	if (!f)
		return;
	pthread_sigmask(SIG_SETMASK, &f->mask, NULL);
	cow_follow_forget(f);
	free(f->all);
	free(f);
}

static size_t place_of(const struct cow_follow *f, int tid)
{
	size_t low = 0, high = f->count;

	while (low < high) {
		size_t mid = (low + high) / 2;

		if (f->all[mid]->tid < tid)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

static struct tracee *find(const struct cow_follow *f, int tid)
{
	size_t i = place_of(f, tid);

	return i < f->count && f->all[i]->tid == tid ? f->all[i] : NULL;
}

static void forget(struct cow_follow *f, int tid)
{
	size_t i = place_of(f, tid);

	if (i == f->count || f->all[i]->tid != tid)
		return;
	free(f->all[i]);
	memmove(&f->all[i], &f->all[i + 1], (--f->count - i) * sizeof(*f->all));
}

int cow_follow_add(struct cow_follow *f, int tid, int pid, struct cow_space *s, struct err *e)
{
	size_t i = place_of(f, tid);
	struct tracee *t;

	if (i < f->count && f->all[i]->tid == tid) {
		f->all[i]->space = s;
		return 0;
	}
	if (io_grow(&f->all, f->count, sizeof(*f->all), e) < 0)
		return e->code;
	t = calloc(1, sizeof(*t));
	if (!t)
		return err_sys(e, "memory for a thread");
	memmove(&f->all[i + 1], &f->all[i], (f->count++ - i) * sizeof(*f->all));
	f->all[i] = t;
	t->tid = tid;
	t->pid = pid;
	t->space = s;
	return 0;
}

void cow_follow_set_tid_address(struct cow_follow *f, int tid, uint64_t tid_address)
{
	struct tracee *t = find(f, tid);

	if (t) {
		t->tid_address = tid_address;
		t->knows_tid_address = true;
	}
}

/* A thread that is gone needs no letting go. */
static void go(struct cow_follow *f, const struct tracee *t, int signal)
{
	struct err ignored = { 0 };

	(void)!tracee_go(t->tid, f->saving ? PTRACE_SYSCALL : PTRACE_CONT, signal, &ignored);
}

void cow_follow_moment(struct cow_follow *f, struct cow_work *w)
{
	f->work = w;
	f->saving = true;
}

int cow_follow_go(struct cow_follow *f, int tid, bool stopped, struct err *e)
{
	int request = stopped ? PTRACE_LISTEN : f->saving ? PTRACE_SYSCALL : PTRACE_CONT;

	if (tracee_set_options(tid, cow_follow_options, e) < 0 || tracee_go(tid, request, 0, e) < 0)
		return e->code == -ESRCH ? 0 : e->code;
	return 0;
}

static void leave(struct cow_follow *f, int tid, struct stop s)
{
	freeze_leave(tid, s);
	forget(f, tid);
}

/* Whose memory a thread shares that has appeared; NULL: nobody's here. */
static const struct tracee *sharer(const struct cow_follow *f, int tid)
{
	for (size_t i = 0; i < f->count; i++)
		if (f->all[i]->tid != tid && f->all[i]->space &&
		    syscall(SYS_kcmp, tid, f->all[i]->tid, KCMP_VM, 0, 0) == 0)
			return f->all[i];
	return NULL;
}

static struct tracee *adopt(struct cow_follow *f, int tid)
{
	const struct tracee *other = sharer(f, tid);
	struct err ignored = { 0 };
	uint64_t pid = tid;
	own_fd fd = -1;

	if (!other || proc_open(tid, &fd, &ignored) < 0 ||
	    proc_status_number(fd, "Tgid", 10, &pid, &ignored) < 0 ||
	    cow_follow_add(f, tid, pid, other->space, &ignored) < 0)
		return NULL;
	return find(f, tid);
}

static bool all_saved(const struct cow_space *s, struct waiting *w)
{
	while (w->at < w->last && s->units[w->at].saved)
		w->at++;
	return w->at >= w->last;
}

static bool may_go(struct tracee *t)
{
	return all_saved(t->space, &t->waiting[0]) && all_saved(t->space, &t->waiting[1]);
}

/* It goes on when these have been saved. What it takes from where it moves to must not be protected there any more. */
static void hold(struct cow_follow *f, struct tracee *t, const struct cow_reach *r)
{
	struct cow_space *s = t->space;

	for (size_t i = 0; i < 2; i++)
		t->waiting[i] = (struct waiting){ 0 };
	if (r->all)
		t->waiting[0].last = s->unit_count;
	for (size_t i = 0; i < r->count; i++) {
		size_t first = cow_space_find(s, r->parts[i].start), last = first;

		while (last < s->unit_count && s->units[last].vaddr < r->parts[i].end)
			last++;
		t->waiting[i] = (struct waiting){ first, last };
	}
	t->held = !may_go(t);
	for (size_t i = 0; i < 2 && t->held; i++)
		if (t->waiting[i].at < t->waiting[i].last &&
		    cow_work_hurry(f->work, s, t->waiting[i].at, t->waiting[i].last, &f->err) < 0)
			return;
}

static void on_call(struct cow_follow *f, struct tracee *t)
{
	struct cow_call c = { .tid = t->tid,
			      .heap = t->space->heap,
			      .heap_end = t->space->heap_end };
	struct cow_reach r;

	if (ptrace(PTRACE_GET_SYSCALL_INFO, t->tid, sizeof(c.info), &c.info) < 0)
		return; /* killed */
	t->moves = false;
	if (c.info.op != PTRACE_SYSCALL_INFO_ENTRY)
		return;
	if (c.info.entry.nr == SYS_set_tid_address)
		cow_follow_set_tid_address(f, t->tid, c.info.entry.args[0]);
	if (cow_call_makes_threads(&c))
		t->knows_child = cow_call_child_tid(&c, &t->child_tid_address);
	r = cow_call_reach(&c);
	/* A process that only borrows the memory takes nothing away by leaving it. */
	if (cow_call_leaves(&c) && t->pid != t->space->pid)
		r.all = false;
	if (r.all || r.count)
		hold(f, t, &r);
	t->moves = cow_call_moves(&c);
	t->held |= t->moves && f->still;
}

static bool is_last(const struct cow_follow *f, const struct tracee *t)
{
	for (size_t i = 0; i < f->count; i++)
		if (f->all[i] != t && f->all[i]->space == t->space && !f->all[i]->ending)
			return false;
	return true;
}

static void on_exit_event(struct cow_follow *f, struct tracee *t)
{
	const struct cow_reach all = { .all = true };

	t->ending = true;
	if (!f->saving) {
		cow_space_calm(t->space);
		return;
	}
	if (is_last(f, t) || !t->knows_tid_address) {
		hold(f, t, &all);
		return;
	}
	if (t->tid_address)
		cow_work_touch(f->work, t->space, t->tid_address);
	cow_exit_robust(f->work, t->space, t->tid);
}

/* One with memory of its own is waited for as well: it is let go at its first report. */
static void on_birth(struct cow_follow *f, struct tracee *t)
{
	unsigned long tid = 0;
	struct tracee *child;

	if (ptrace(PTRACE_GETEVENTMSG, t->tid, 0, &tid) < 0)
		return;
	child = find(f, tid);
	if (!child && !f->over)
		child = adopt(f, tid);
	if (!child && tracee_is_ours(tid))
		(void)!cow_follow_add(f, tid, tid, NULL, &f->err);
	else if (child && t->knows_child)
		cow_follow_set_tid_address(f, tid, t->child_tid_address);
}

/* Its old memory is nobody's (it waited until that was saved), or still that of the one it borrowed it from. */
static void on_exec(struct cow_follow *f, int pid)
{
	tracee_detach(pid, 0);
	for (size_t i = f->count; i-- > 0;)
		if (f->all[i]->pid == pid)
			forget(f, f->all[i]->tid);
}

static void on_event(struct cow_follow *f, struct tracee *t, int event)
{
	if (event == PTRACE_EVENT_EXIT)
		on_exit_event(f, t);
	else
		on_birth(f, t);
}

void cow_follow_report(struct cow_follow *f, int tid, struct stop s)
{
	struct tracee *t = find(f, tid);
	struct err ignored = { 0 };

	if (s.kind == STOP_EXITED || s.kind == STOP_KILLED) {
		forget(f, tid);
		return;
	}
	if (s.kind == STOP_EVENT && s.value == PTRACE_EVENT_EXEC) {
		on_exec(f, tid);
		return;
	}
	if (t && !t->space) {
		forget(f, tid);
		t = NULL;
	}
	if (!t && !f->over)
		t = adopt(f, tid);
	if (!t) {
		leave(f, tid, s); /* a child with memory of its own, or a late one */
		return;
	}
	t->held = false;
	if (s.kind == STOP_SYSCALL && f->saving)
		on_call(f, t);
	else if (s.kind == STOP_EVENT)
		on_event(f, t, s.value);
	if (t->held)
		return;
	/* Only there can a call be mended that was interrupted for us. */
	if (t->interrupted && (s.kind == STOP_INTERRUPT || s.kind == STOP_GROUP))
		leave(f, tid, s);
	else if (t->interrupted)
		(void)!tracee_pass(tid, s, &ignored);
	else if (s.kind == STOP_GROUP)
		(void)!tracee_go(tid, PTRACE_LISTEN, 0, &ignored);
	else
		go(f, t, s.kind == STOP_SIGNAL ? s.value : 0);
}

/* All that has been reported. */
static void take_reports(struct cow_follow *f)
{
	struct stop s;
	int tid;

	while (!f->err.code && tracee_any(&tid, &s))
		cow_follow_report(f, tid, s);
}

static void wait_for_news(void)
{
	struct timespec tick = { 0, TICK_NS };
	sigset_t news;

	sigemptyset(&news);
	sigaddset(&news, SIGCHLD);
	sigaddset(&news, COW_NEWS);
	sigtimedwait(&news, NULL, &tick);
}

int cow_follow_early(struct cow_follow *f, bool (*ready)(void *arg), void *arg, struct err *e)
{
	for (;;) {
		take_reports(f);
		if (f->err.code) {
			*e = f->err;
			return e->code;
		}
		if (ready(arg))
			return 0;
		wait_for_news();
	}
}

bool cow_follow_event(struct cow_follow *f, int tid, int event)
{
	struct tracee *t = find(f, tid);

	if (t && event == PTRACE_EVENT_EXIT)
		on_exit_event(f, t);
	return t || event != PTRACE_EVENT_EXIT;
}

/* Those whose memory has been saved where they wanted to take it away. */
static void let_held_go(struct cow_follow *f)
{
	for (size_t i = 0; i < f->count; i++) {
		struct tracee *t = f->all[i];

		if (!t->held || !may_go(t))
			continue;
		t->held = false;
		go(f, t, 0);
	}
}

static void interrupt_all(struct cow_follow *f)
{
	struct err ignored = { 0 };

	for (size_t i = 0; i < f->count; i++) {
		f->all[i]->interrupted = true;
		(void)!tracee_interrupt(f->all[i]->tid, &ignored);
	}
}

static bool somebody_moves(const struct cow_follow *f)
{
	for (size_t i = 0; i < f->count; i++)
		if (f->all[i]->moves && !f->all[i]->held)
			return true;
	return false;
}

/* Everything is saved or given up: takes the protection back, then lets all go. */
static void end(struct cow_follow *f)
{
	uint64_t deadline = io_now_us() + PATIENCE_US;

	f->still = true;
	for (take_reports(f); somebody_moves(f) && io_now_us() < deadline; take_reports(f))
		wait_for_news();
	cow_work_unregister(f->work);
	while (!cow_work_unregistered(f->work)) {
		take_reports(f);
		wait_for_news();
	}
	for (size_t i = 0; i < f->count; i++)
		f->all[i]->waiting[0] = f->all[i]->waiting[1] = (struct waiting){ 0 };
	let_held_go(f);
	f->over = true;
	interrupt_all(f);
	for (;;) {
		take_reports(f);
		if (!f->count || io_now_us() > deadline)
			break;
		wait_for_news();
	}
}

int cow_follow_save(struct cow_follow *f, int (*alive)(void *arg, struct err *e), void *arg,
		    struct err *e)
{
	struct cow_work *w = f->work;
	int r = 0;

	while (r == 0 && !cow_work_done(w)) {
		take_reports(f);
		let_held_go(f);
		r = cow_work_check(w, e);
		if (r == 0)
			r = alive(arg, e);
		if (r == 0 && f->err.code) {
			*e = f->err;
			r = e->code;
		}
		if (r == 0 && !cow_work_done(w))
			wait_for_news();
	}
	f->err = (struct err){ 0 };
	end(f);
	return r;
}
