/* The runner in a process that lives; see inject.h. */
#include "parasite/inject.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/futex.h>
#include <pthread.h>
#include <stddef.h>
#include <stdio.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "lib/io.h"
#include "lib/log.h"
#include "lib/ptrace.h"

enum { ANSWER_SECONDS = 20 };

/* A full mask as the kernel gives it back: without SIGKILL and SIGSTOP. */
#define ALL_BLOCKED (~0ULL & ~(1ULL << (SIGKILL - 1)) & ~(1ULL << (SIGSTOP - 1)))

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

static int site_close(struct injection *i, struct err *e)
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
static int go_on(int tid, int request, struct stop s, struct err *e)
{
	char text[64];

	if (s.kind == STOP_INTERRUPT || s.kind == STOP_GROUP)
		return tracee_go(tid, request, 0, e);
	if (s.kind == STOP_SIGNAL && s.value == SIGSTOP)
		return tracee_go(tid, request, SIGSTOP, e);
	return err_code(e, ESRCH, "thread %d %s while the runner was in it", tid,
			stop_text(s, text, sizeof(text)));
}

/* Waits for the next system call stop of the thread. */
static int wait_syscall(int tid, struct err *e)
{
	struct stop s;

	if (tracee_go(tid, PTRACE_SYSCALL, 0, e) < 0 || tracee_await(tid, &s, e) < 0)
		return e->code;
	while (s.kind != STOP_SYSCALL)
		if (go_on(tid, PTRACE_SYSCALL, s, e) < 0 || tracee_await(tid, &s, e) < 0)
			return e->code;
	return 0;
}

static int change_thread(struct inject_thread *t, struct err *e)
{
	if (t->changed)
		return 0;
	t->changed = true;
	return tracee_set_mask(t->tid, ALL_BLOCKED, e);
}

/*
 * Makes the leader perform one system call at the site. It is left in the loop there, so the site must not be closed
 * before it has been sent elsewhere.
 */
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
	    tracee_get_regs(t->tid, &r, e) < 0)
		return e->code;
	*ret = r.rax;
	return 0;
}

static int send_to(const struct inject_thread *t, uint64_t rip, struct err *e)
{
	struct user_regs_struct r = t->regs;

	r.rip = rip;
	r.orig_rax = -1;
	r.eflags = 0x202;
	return tracee_set_regs(t->tid, &r, e);
}

/* first: bytes of the mapping that the code is in, which may be all of it. */
static pthread_mutex_t *owner_of(const struct injection *i)
{
	return (pthread_mutex_t *)(i->arena.here + ARENA_OWNER_AT);
}

/* Held until the arena is unmapped here; if we die before, the kernel says so in its word. See wire.h. */
static int hold_owner(struct injection *i, struct err *e)
{
	pthread_mutexattr_t attr;

	_Static_assert(sizeof(pthread_mutex_t) <= ARENA_LOOP_AT - ARENA_OWNER_AT, "no room");
	pthread_mutexattr_init(&attr);
	pthread_mutexattr_setrobust(&attr, PTHREAD_MUTEX_ROBUST);
	pthread_mutexattr_setpshared(&attr, PTHREAD_PROCESS_SHARED);
	errno = pthread_mutex_init(owner_of(i), &attr);
	pthread_mutexattr_destroy(&attr);
	errno = errno ? errno : pthread_mutex_lock(owner_of(i));
	return errno ? err_sys(e, "hold the arena of pid %d", i->pid) : 0;
}

static void unmap_here(struct injection *i)
{
	if (!i->arena.here)
		return;
	pthread_mutex_unlock(owner_of(i));
	munmap(i->arena.here, i->arena_size);
	i->arena.here = NULL;
}

static int map_here(struct injection *i, uint64_t first, struct err *e)
{
	char path[96];

	/* The link leads to the very object that the target has mapped; needs no descriptor in the target. */
	snprintf(path, sizeof(path), "/proc/%d/map_files/%lx-%lx", i->pid,
		 (unsigned long)i->arena_at, (unsigned long)(i->arena_at + first));
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
	return hold_owner(i, e);
}

static int map_there(struct injection *i, int prot, struct err *e)
{
	uint64_t args[PLAN_ARGS] = { i->arena_at, i->arena_size,
				     prot,	  MAP_SHARED | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE,
				     -1ULL,	  0 };
	int64_t at;

	i->arena_tried = true;
	if (site_call(i, SYS_mmap, args, &at, e) < 0)
		return e->code;
	if (at < 0) {
		i->arena_tried = false;
		err_res(e, at, "map %lu bytes in pid %d", (unsigned long)i->arena_size, i->pid);
		return err_hint(e, "its limits on memory (RLIMIT_AS, RLIMIT_MEMLOCK with "
				   "mlockall) leave no room for the runner");
	}
	if ((uint64_t)at != i->arena_at)
		return err_say(e, "pid %d mapped the runner at %#lx", i->pid, (unsigned long)at);
	return 0;
}

/* A process that may have no memory that is writable and executable (PR_SET_MDWE) gets each for itself. */
static int map_apart(struct injection *i, struct err *e)
{
	uint64_t args[PLAN_ARGS] = { i->arena_at + ARENA_CODE_SIZE, i->arena_size - ARENA_CODE_SIZE,
				     PROT_READ | PROT_WRITE };
	int64_t res;

	if (map_there(i, PROT_READ | PROT_EXEC, e) < 0 ||
	    site_call(i, SYS_mprotect, args, &res, e) < 0)
		return e->code;
	return res < 0 ? err_res(e, res, "make the runner's data writable in pid %d", i->pid) : 0;
}

int inject_open(struct injection *i, uint64_t site, uint64_t where, size_t size, struct err *e)
{
	uint64_t first = size;

	i->site = site;
	i->arena_at = where;
	i->arena_size = size;
	i->live = true;
	if (map_there(i, PROT_READ | PROT_WRITE | PROT_EXEC, e) < 0) {
		if (e->code != -EACCES || map_apart(i, e) < 0)
			return e->code;
		*e = (struct err){ 0 };
		first = ARENA_CODE_SIZE;
	}
	if (map_here(i, first, e) < 0 ||
	    send_to(&i->threads[0], i->arena_at + ARENA_LOOP_AT, e) < 0)
		return e->code;
	return site_close(i, e);
}

static int start(struct injection *i, struct inject_thread *t, struct plan *p, struct err *e)
{
	struct user_regs_struct r = t->regs;

	if (change_thread(t, e) < 0)
		return e->code;
	p->wire->end = PLAN_END_PARK;
	p->wire->owner = i->arena_at + ARENA_OWNER_AT + offsetof(pthread_mutex_t, __data.__lock);
	r.rip = i->arena_at;
	r.rdi = arena_there(p->arena, p->wire).at;
	r.rsp = p->stack.at;
	r.orig_rax = -1;
	r.eflags = 0x202;
	if (tracee_set_regs(t->tid, &r, e) < 0 || tracee_go(t->tid, PTRACE_CONT, 0, e) < 0)
		return e->code;
	t->runs = true;
	return 0;
}

/* A thread that has stopped on the way is made to go on; one that has died cannot answer. */
static int look_after(struct injection *i, struct inject_thread *t, struct err *e)
{
	int status;

	/* While one of the others is not reaped, the leader does not look dead. */
	for (uint32_t k = 1; k < i->thread_count; k++)
		if (&i->threads[k] != t)
			(void)tracee_reap(i->threads[k].tid);
	pid_t got = waitpid(t->tid, &status, WNOHANG | __WALL);
	if (got == 0)
		return 0;
	if (got == t->tid && go_on(t->tid, PTRACE_CONT, stop_decode(status), e) == 0)
		return 0;
	t->runs = false;
	return got < 0 ? err_code(e, ESRCH, "thread %d is gone", t->tid) : e->code;
}

/*
 * The runner wakes us when the plan has ended. A thread that is stopped first does not: a stop can have been under way
 * already, so the first look comes soon.
 */
static int wait_done(struct injection *i, struct inject_thread *t, struct plan *p, struct err *e)
{
	uint64_t deadline = io_now_us() + ANSWER_SECONDS * 1000000ULL;
	struct timespec slice = { .tv_nsec = 500000 };

	while (!__atomic_load_n(&p->wire->done, __ATOMIC_SEQ_CST)) {
		if (syscall(SYS_futex, &p->wire->done, FUTEX_WAIT, 0, &slice, NULL, 0) < 0 &&
		    errno == ETIMEDOUT && look_after(i, t, e) < 0)
			return e->code;
		if (slice.tv_nsec < 50000000)
			slice.tv_nsec *= 2;
		if (io_now_us() > deadline)
			return err_code(e, ETIMEDOUT, "thread %d does not answer after %d s",
					t->tid, ANSWER_SECONDS);
	}
	return 0;
}

/* The thread has been interrupted: until it stands still. A fault of our own code must not reach it. */
static int wait_still(struct inject_thread *t, struct err *e)
{
	struct stop s;

	t->runs = false;
	for (;;) {
		if (tracee_await(t->tid, &s, e) < 0)
			return e->code;
		if (s.kind == STOP_INTERRUPT || s.kind == STOP_GROUP)
			return 0;
		if (tracee_interrupt(t->tid, e) < 0 || go_on(t->tid, PTRACE_CONT, s, e) < 0)
			return e->code;
	}
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
			r = wait_done(i, t, &plans[k], e);
		if (t->runs && tracee_interrupt(t->tid, &later) < 0 && r == 0) {
			*e = later;
			r = e->code;
		}
	}
	for (size_t k = 0; k < started; k++) {
		struct inject_thread *t = &i->threads[which[k]];
		struct err later = { 0 };

		if (t->runs && wait_still(t, &later) < 0 && r == 0) {
			*e = later;
			r = e->code;
		}
	}
	return r;
}

/*
 * The thread is in the kernel's signal code, where registers are looked at for a system call to restart. If we are
 * killed in here, its place tells whether its registers are its own already, and its mask too (see take_again).
 */
static int put_back(struct inject_thread *t, struct err *e)
{
	if (tracee_set_regs(t->tid, &t->regs, e) < 0 || tracee_set_mask(t->tid, t->mask, e) < 0)
		return e->code;
	return 0;
}

/* All threads but the first, which may be inside the arena. */
static int put_back_others(struct injection *i, struct err *e)
{
	struct err first = { 0 };

	for (uint32_t k = 1; k < i->thread_count; k++) {
		struct inject_thread *t = &i->threads[k];

		if (!t->changed)
			continue;
		if (put_back(t, e) < 0 && !first.code)
			first = *e;
		t->changed = false;
	}
	if (first.code)
		*e = first;
	return first.code;
}

static int unmap(struct injection *i, struct err *e)
{
	uint64_t args[PLAN_ARGS] = { i->arena_at, i->arena_size };
	int64_t res;

	if (!i->arena_tried)
		return 0;
	if (site_call(i, SYS_munmap, args, &res, e) < 0)
		return e->code;
	i->arena_tried = false;
	return res < 0 ? err_res(e, res, "unmap the runner") : 0;
}

/* It may be in a system call stop at the site, which it must have left when the site is closed. */
static int put_back_leader(struct injection *i, struct err *e)
{
	struct inject_thread *t = &i->threads[0];

	if (t->changed && (tracee_park(t->tid, e) < 0 || put_back(t, e) < 0))
		return e->code;
	if (i->site_changed && site_close(i, e) < 0)
		return e->code;
	t->changed = false;
	return 0;
}

int inject_close(struct injection *i, struct err *e)
{
	struct err first = { 0 };

	if (!i->live)
		return 0;
	if (put_back_others(i, e) < 0)
		first = *e;
	if (unmap(i, e) < 0 && !first.code)
		first = *e;
	if (put_back_leader(i, e) < 0 && !first.code)
		first = *e;
	unmap_here(i); /* last: a thread in the arena looks whether we hold it */
	i->live = false;
	if (first.code) {
		*e = first;
		return err_on(e, "take the runner out of pid %d", i->pid);
	}
	return 0;
}

static bool is_ours(const struct injection *i, uint64_t rip)
{
	return rip - i->site < 8 || rip - i->arena_at < i->arena_size;
}

/*
 * Seizes and stops a thread that runs without a tracer. Signals that come first are delivered. One that is not in our
 * code has its own registers: still, or again. Then only its mask may be missing, and it no longer counts as changed.
 */
static int take_again(const struct injection *i, struct inject_thread *t, struct err *e)
{
	struct user_regs_struct now = { 0 };
	struct stop s;
	uint64_t mask;

	if (tracee_seize(t->tid, PTRACE_O_TRACESYSGOOD | PTRACE_O_SUSPEND_SECCOMP, e) < 0 &&
	    tracee_seize(t->tid, PTRACE_O_TRACESYSGOOD, e) < 0)
		return e->code;
	if (tracee_interrupt(t->tid, e) < 0 || tracee_settle(t->tid, &s, e) < 0 ||
	    tracee_get_regs(t->tid, &now, e) < 0 || tracee_get_mask(t->tid, &mask, e) < 0)
		return e->code;
	if (is_ours(i, now.rip))
		return 0;
	t->changed = false;
	return mask == ALL_BLOCKED ? tracee_set_mask(t->tid, t->mask, e) : 0;
}

/* The link is there for a mapping of exactly this extent. */
static bool is_mapped(const struct injection *i, uint64_t size)
{
	char path[96], link[64];
	ssize_t n;

	snprintf(path, sizeof(path), "/proc/%d/map_files/%lx-%lx", i->pid,
		 (unsigned long)i->arena_at, (unsigned long)(i->arena_at + size));
	n = readlink(path, link, sizeof(link));
	return n > 0 && strncmp(link, "/dev/zero", 9) == 0;
}

/* Others may have run since, and mapped what they like: a mapping in that place is ours only if it looks it. */
static bool arena_is_there(const struct injection *i)
{
	return is_mapped(i, i->arena_size) || is_mapped(i, ARENA_CODE_SIZE);
}

void inject_heal(struct injection *i)
{
	struct err e = { 0 };
	char text[2048];

	if (!i->live)
		return;
	i->arena.here = NULL; /* the dead one's */
	for (uint32_t k = 0; k < i->thread_count; k++) {
		struct inject_thread *t = &i->threads[k];

		if (t->changed && take_again(i, t, &e) < 0) {
			log_error("%s", err_text(&e, text, sizeof(text)));
			t->changed = false;
		}
	}
	/* The leader is in our code from before the arena is mapped until after it is unmapped. */
	i->arena_tried = i->threads[0].changed && arena_is_there(i);
	if (inject_close(i, &e) < 0)
		log_error("%s", err_text(&e, text, sizeof(text)));
	for (uint32_t k = 0; k < i->thread_count; k++)
		tracee_detach(i->threads[k].tid, 0);
}
