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
#include "parasite/site.h"

enum { ANSWER_SECONDS = 20 };

static int send_to(const struct inject_thread *t, uint64_t rip, struct err *e)
{
	struct user_regs_struct r = t->regs;

	r.rip = rip;
	r.orig_rax = -1;
	r.eflags = 0x202;
	return tracee_set_regs(t->tid, &r, e);
}

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

/* first: bytes of the mapping that the code is in, which may be all of it. */
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

static int check_mapped(struct injection *i, int64_t at, struct err *e)
{
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

static struct site_call map_call(struct injection *i, int prot)
{
	i->arena_tried = true;
	return (struct site_call){ .i = i,
				   .nr = SYS_mmap,
				   .arg = { i->arena_at, i->arena_size, prot,
					    MAP_SHARED | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE,
					    -1ULL } };
}

/* A process that may have no memory that is writable and executable (PR_SET_MDWE) gets each for itself. */
static int map_apart(struct injection *i, struct err *e)
{
	struct site_call map = map_call(i, PROT_READ | PROT_EXEC);
	struct site_call protect = { .i = i,
				     .nr = SYS_mprotect,
				     .arg = { i->arena_at + ARENA_CODE_SIZE,
					      i->arena_size - ARENA_CODE_SIZE,
					      PROT_READ | PROT_WRITE } };

	if (site_calls(&map, 1, e) < 0 || check_mapped(i, map.result, e) < 0 ||
	    site_calls(&protect, 1, e) < 0)
		return e->code;
	return protect.result < 0 ? err_res(e, protect.result,
					    "make the runner's data writable in pid %d", i->pid) :
				    0;
}

/* The mapping is there, or refused. */
static int open_one(const struct site_call *map, struct err *e)
{
	struct injection *i = map->i;
	uint64_t first = i->arena_size;

	if (map->result == -EACCES) {
		first = ARENA_CODE_SIZE;
		if (map_apart(i, e) < 0)
			return e->code;
	} else if (check_mapped(i, map->result, e) < 0) {
		return e->code;
	}
	if (map_here(i, first, e) < 0 ||
	    send_to(&i->threads[0], i->arena_at + ARENA_LOOP_AT, e) < 0)
		return e->code;
	return site_close(i, e);
}

int inject_open(struct injection *const *i, size_t count, struct err *e)
{
	own_mem struct site_call *maps = calloc(count, sizeof(*maps));

	if (!maps)
		return err_sys(e, "memory for calls");
	for (size_t k = 0; k < count; k++) {
		i[k]->live = true;
		maps[k] = map_call(i[k], PROT_READ | PROT_WRITE | PROT_EXEC);
	}
	if (site_calls(maps, count, e) < 0)
		return e->code;
	for (size_t k = 0; k < count; k++)
		if (open_one(&maps[k], e) < 0)
			return e->code;
	return 0;
}

static int start(struct inject_plan *run, struct err *e)
{
	struct injection *i = run->i;
	struct inject_thread *t = &i->threads[run->which];
	struct plan *p = &run->plan;
	struct user_regs_struct r = t->regs;

	if (site_change_thread(t, e) < 0)
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
	i->parked = i->parked && run->which != 0;
	return 0;
}

/* A thread that has stopped on the way is made to go on; one that has died cannot answer. */
static int look_after(struct inject_thread *t, struct err *e)
{
	int status;
	pid_t got = waitpid(t->tid, &status, WNOHANG | __WALL);

	if (got == 0)
		return 0;
	if (got == t->tid && site_go_on(t->tid, PTRACE_CONT, stop_decode(status), e) == 0)
		return 0;
	t->runs = false;
	return got < 0 ? err_code(e, ESRCH, "thread %d is gone", t->tid) : e->code;
}

/* While one of the others is not reaped, a leader does not look dead. */
static void reap_others(const struct injection *i, const struct inject_thread *t)
{
	for (uint32_t k = 1; k < i->thread_count; k++)
		if (&i->threads[k] != t)
			(void)tracee_reap(i->threads[k].tid);
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
		    errno == ETIMEDOUT && look_after(t, e) < 0)
			return e->code;
		if (slice.tv_nsec < 50000000)
			slice.tv_nsec *= 2;
		else
			reap_others(i, t);
		if (io_now_us() > deadline)
			return err_code(e, ETIMEDOUT, "thread %d does not answer after %d s",
					t->tid, ANSWER_SECONDS);
	}
	return 0;
}

static void keep_first(struct err *e, const struct err *later)
{
	if (!e->code)
		*e = *later;
}

/* e: of what has failed already, or empty. */
static void await_all(struct inject_plan *p, size_t count, struct err *e)
{
	for (size_t k = 0; k < count; k++) {
		struct inject_thread *t = &p[k].i->threads[p[k].which];
		struct err later = { 0 };

		if (!e->code)
			(void)wait_done(p[k].i, t, &p[k].plan, e);
		if (t->runs && tracee_interrupt(t->tid, &later) < 0)
			keep_first(e, &later);
	}
	for (size_t k = 0; k < count; k++) {
		struct inject_thread *t = &p[k].i->threads[p[k].which];
		struct err later = { 0 };

		if (!t->runs)
			continue;
		t->runs = false;
		if (site_await_still(t->tid, &later) < 0)
			keep_first(e, &later);
		else
			p[k].i->parked |= p[k].which == 0;
	}
}

int inject_run(struct inject_plan *p, size_t count, struct err *e)
{
	struct err first = { 0 };
	size_t started = 0;

	for (size_t k = 0; k < count; k++)
		if (plan_check(&p[k].plan, e) < 0)
			return e->code;
	while (started < count && start(&p[started], &first) == 0)
		started++;
	await_all(p, started, &first);
	if (first.code)
		*e = first;
	return first.code;
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

static void unmap_there(struct injection *const *i, size_t count, struct err *e)
{
	own_mem struct site_call *calls = calloc(count, sizeof(*calls));
	size_t n = 0;

	if (!calls) {
		err_sys(e, "memory for calls");
		return;
	}
	for (size_t k = 0; k < count; k++)
		if (i[k]->live && i[k]->arena_tried)
			calls[n++] =
				(struct site_call){ .i = i[k],
						    .nr = SYS_munmap,
						    .arg = { i[k]->arena_at, i[k]->arena_size } };
	if (site_calls(calls, n, e) < 0)
		log_debug("%s", e->text);
	for (size_t k = 0; k < n; k++) {
		if (calls[k].failed)
			continue;
		calls[k].i->arena_tried = false;
		if (calls[k].result < 0 && !e->code)
			err_res(e, calls[k].result, "unmap the runner in pid %d", calls[k].i->pid);
	}
}

/* It may be in the loop at the site, which it must have left when the site is closed. */
static int put_back_leader(struct injection *i, struct err *e)
{
	struct inject_thread *t = &i->threads[0];

	if (t->changed && ((!i->parked && tracee_park(t->tid, e) < 0) || put_back(t, e) < 0))
		return e->code;
	if (i->site_changed && site_close(i, e) < 0)
		return e->code;
	t->changed = false;
	return 0;
}

int inject_close(struct injection *const *i, size_t count, struct err *e)
{
	struct err first = { 0 }, later = { 0 };

	for (size_t k = 0; k < count; k++)
		if (i[k]->live && put_back_others(i[k], &later) < 0)
			keep_first(&first, &later);
	for (size_t k = 0; k < count; k++) {
		later = (struct err){ 0 };
		if (i[k]->live && i[k]->threads[0].changed)
			inject_close_uffd(i[k], &later);
		keep_first(&first, &later);
	}
	later = (struct err){ 0 };
	unmap_there(i, count, &later);
	keep_first(&first, &later);
	for (size_t k = 0; k < count; k++) {
		if (i[k]->live && put_back_leader(i[k], &later) < 0)
			keep_first(&first, &later);
		unmap_here(i[k]); /* last: a thread in the arena looks whether we hold it */
		i[k]->live = false;
	}
	if (!first.code)
		return 0;
	*e = first;
	return err_on(e, "take the runner out");
}
