/* The runner in a process that lives; see inject.h. */
#include "parasite/inject.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/futex.h>
#include <stdio.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "lib/io.h"
#include "lib/log.h"
#include "lib/ptrace.h"

enum { ANSWER_SECONDS = 20 };

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
	errno = 0;
	i->site_word = ptrace(PTRACE_PEEKDATA, i->pid, i->site, 0);
	if (errno)
		return err_sys(e, "read %#lx of pid %d", (unsigned long)i->site, i->pid);
	i->site_changed = true;
	return site_write(i, (i->site_word & 0xffffffff) | SITE_CODE << 32, e);
}

static int site_close(struct injection *i, struct err *e)
{
	if (site_write(i, i->site_word, e) < 0)
		return e->code;
	i->site_changed = false;
	return 0;
}

/* Waits for the next system call stop of the thread. */
static int wait_syscall(int tid, struct err *e)
{
	char text[64];
	struct stop s;

	if (tracee_go(tid, PTRACE_SYSCALL, 0, e) < 0 || tracee_wait(tid, &s, e) < 0)
		return e->code;
	/* An interrupt that was asked for before, or a group stop, may come first. */
	while (s.kind == STOP_INTERRUPT || s.kind == STOP_GROUP)
		if (tracee_go(tid, PTRACE_SYSCALL, 0, e) < 0 || tracee_wait(tid, &s, e) < 0)
			return e->code;
	if (s.kind != STOP_SYSCALL)
		return err_code(e, ESRCH, "thread %d %s where a system call was expected", tid,
				stop_text(s, text, sizeof(text)));
	return 0;
}

static int change_thread(struct inject_thread *t, struct err *e)
{
	if (t->changed)
		return 0;
	t->changed = true;
	return tracee_set_mask(t->tid, ~0ULL, e);
}

/* Makes the leader perform one system call at the site. */
static int site_call(struct injection *i, long nr, const uint64_t *a, int64_t *ret, struct err *e)
{
	struct inject_thread *t = &i->threads[0];
	struct user_regs_struct r = t->regs;

	if (change_thread(t, e) < 0)
		return e->code;
	r.rip = i->site + 4;
	r.rax = nr;
	r.orig_rax = -1;
	r.rdi = a[0];
	r.rsi = a[1];
	r.rdx = a[2];
	r.r10 = a[3];
	r.r8 = a[4];
	r.r9 = a[5];
	r.eflags = 0x202;
	if (site_open(i, e) < 0 || tracee_set_regs(t->tid, &r, e) < 0 ||
	    wait_syscall(t->tid, e) < 0 || wait_syscall(t->tid, e) < 0 ||
	    tracee_get_regs(t->tid, &r, e) < 0 || site_close(i, e) < 0)
		return e->code;
	*ret = r.rax;
	return 0;
}

static int map_here(struct injection *i, struct err *e)
{
	char path[96];

	/* The link leads to the very object that the target has mapped; needs no descriptor in the target. */
	snprintf(path, sizeof(path), "/proc/%d/map_files/%lx-%lx", i->pid,
		 (unsigned long)i->arena_at, (unsigned long)(i->arena_at + i->arena_size));
	own_fd fd = open(path, O_RDWR | O_CLOEXEC);
	if (fd < 0) {
		err_sys(e, "open '%s'", path);
		return err_hint(e, "this needs CAP_SYS_ADMIN or CAP_CHECKPOINT_RESTORE");
	}
	i->arena.here = mmap(NULL, i->arena_size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (i->arena.here == MAP_FAILED) {
		i->arena.here = NULL;
		return err_sys(e, "map '%s'", path);
	}
	i->arena.there = TPTR(i->arena_at);
	i->arena.size = i->arena_size;
	arena_init(&i->arena);
	return 0;
}

int inject_open(struct injection *i, uint64_t site, uint64_t where, size_t size, struct err *e)
{
	uint64_t args[PLAN_ARGS] = { where,
				     size,
				     PROT_READ | PROT_WRITE | PROT_EXEC,
				     MAP_SHARED | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE,
				     -1ULL,
				     0 };
	int64_t at;

	i->site = site;
	i->arena_at = where;
	i->arena_size = size;
	i->arena_tried = true;
	i->live = true;
	if (site_call(i, SYS_mmap, args, &at, e) < 0)
		return e->code;
	if (at < 0) {
		i->arena_tried = false;
		err_res(e, at, "map %zu bytes in pid %d", size, i->pid);
		return err_hint(e, "its limits on memory (RLIMIT_AS, RLIMIT_MEMLOCK with "
				   "mlockall) leave no room for the runner");
	}
	if ((uint64_t)at != where)
		return err_say(e, "pid %d mapped the runner at %#lx", i->pid, (unsigned long)at);
	return map_here(i, e);
}

static int start(struct injection *i, struct inject_thread *t, struct plan *p, struct err *e)
{
	struct user_regs_struct r = t->regs;

	if (change_thread(t, e) < 0)
		return e->code;
	p->wire->end = PLAN_END_PARK;
	r.rip = i->arena_at;
	r.rdi = arena_there(p->arena, p->wire).at;
	r.rsp = p->stack.at;
	r.orig_rax = -1;
	r.eflags = 0x202;
	if (tracee_set_regs(t->tid, &r, e) < 0)
		return e->code;
	return tracee_go(t->tid, PTRACE_CONT, 0, e);
}

/* The runner wakes us when the plan has ended; a thread that dies on the way does not, hence the timeout. */
static int wait_done(struct inject_thread *t, struct plan *p, struct err *e)
{
	uint64_t deadline = io_now_us() + ANSWER_SECONDS * 1000000ULL;
	struct timespec slice = { .tv_nsec = 50000000 };

	while (!__atomic_load_n(&p->wire->done, __ATOMIC_SEQ_CST)) {
		syscall(SYS_futex, &p->wire->done, FUTEX_WAIT, 0, &slice, NULL, 0);
		if (kill(t->tid, 0) < 0)
			return err_code(e, ESRCH, "thread %d is gone", t->tid);
		if (io_now_us() > deadline)
			return err_code(e, ETIMEDOUT, "thread %d does not answer after %d s",
					t->tid, ANSWER_SECONDS);
	}
	return 0;
}

int inject_run(struct injection *i, struct plan *plans, const uint32_t *which, size_t count,
	       struct err *e)
{
	size_t started = 0;
	int r = 0;

	for (size_t k = 0; k < count && r == 0; k++)
		r = plan_check(&plans[k], e);
	for (; started < count && r == 0; started++)
		r = start(i, &i->threads[which[started]], &plans[started], e);
	for (size_t k = 0; k < started; k++) {
		struct inject_thread *t = &i->threads[which[k]];
		struct err later = { 0 };

		if (r == 0)
			r = wait_done(t, &plans[k], e);
		if (tracee_interrupt(t->tid, &later) < 0 && r == 0) {
			*e = later;
			r = e->code;
		}
	}
	for (size_t k = 0; k < started; k++) {
		struct stop s;
		struct err later = { 0 };

		/* Only the interrupt can stop it: every signal is blocked. */
		if (tracee_wait(i->threads[which[k]].tid, &s, &later) < 0 && r == 0) {
			*e = later;
			r = e->code;
		}
	}
	return r;
}

static int put_back(struct inject_thread *t, struct err *e)
{
	/*
	 * Only a stop inside the kernel's signal code makes it look at the registers for a system call to
	 * restart; the thread may be in a system call stop now. Masked until then.
	 */
	if (tracee_set_regs(t->tid, &t->regs, e) < 0 || tracee_park(t->tid, e) < 0 ||
	    tracee_set_regs(t->tid, &t->regs, e) < 0 || tracee_set_mask(t->tid, t->mask, e) < 0)
		return e->code;
	t->changed = false;
	return 0;
}

int inject_close(struct injection *i, struct err *e)
{
	struct err first = { 0 };

	if (!i->live)
		return 0;
	if (i->site_changed && site_close(i, e) < 0)
		first = *e;
	if (i->arena_tried) {
		uint64_t args[PLAN_ARGS] = { i->arena_at, i->arena_size };
		int64_t res;

		if (i->arena.here)
			munmap(i->arena.here, i->arena_size);
		i->arena.here = NULL;
		if (site_call(i, SYS_munmap, args, &res, e) < 0 && !first.code)
			first = *e;
		i->arena_tried = false;
	}
	for (uint32_t k = 0; k < i->thread_count; k++)
		if (i->threads[k].changed && put_back(&i->threads[k], e) < 0 && !first.code)
			first = *e;
	i->live = false;
	if (first.code) {
		*e = first;
		return err_on(e, "take the runner out of pid %d", i->pid);
	}
	return 0;
}

void inject_heal(struct injection *i)
{
	struct err e = { 0 };
	char text[2048];

	if (!i->live)
		return;
	i->arena.here = NULL; /* the dead one's */
	/* The first one is needed for munmap even if only others run our code. */
	for (uint32_t k = 0; k < i->thread_count; k++) {
		struct inject_thread *t = &i->threads[k];
		struct stop s;

		if (k > 0 && !t->changed)
			continue;
		if (tracee_seize(t->tid, PTRACE_O_TRACESYSGOOD, &e) < 0 ||
		    tracee_interrupt(t->tid, &e) < 0 || tracee_wait(t->tid, &s, &e) < 0)
			log_error("%s", err_text(&e, text, sizeof(text)));
	}
	/* A leader that was free to run has registers of its own by now. */
	if (!i->threads[0].changed)
		if (tracee_get_regs(i->threads[0].tid, &i->threads[0].regs, &e) < 0 ||
		    tracee_get_mask(i->threads[0].tid, &i->threads[0].mask, &e) < 0)
			log_error("%s", err_text(&e, text, sizeof(text)));
	if (inject_close(i, &e) < 0)
		log_error("%s", err_text(&e, text, sizeof(text)));
	for (uint32_t k = 0; k < i->thread_count; k++)
		tracee_detach(i->threads[k].tid, 0);
}
