/*
 * The end of a restore, all by ptrace: the runner is unmapped, each thread gets its registers, extended
 * state and signal mask, and all are let go together. No signal frame is forged.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/io.h"
#include "lib/log.h"
#include "lib/ptrace.h"
#include "restore/halt.h"
#include "restore/regs.h"
#include "restore/run.h"
#include "restore/stages.h"
#include "restore/traps.h"

static bool lives(const struct rtask *t)
{
	return !t->helper && t->state != 2;
}

static struct hand_call unmap_arena(const struct restore *r)
{
	return (struct hand_call){ .nr = SYS_munmap, .args = { r->arena.there.at, r->arena.size } };
}

/* All tasks at once, a pass for each stop on the way. */
static int take_out(struct restore *r, struct err *e)
{
	struct hand_call c = unmap_arena(r);

	for (size_t i = 0; i < r->task_count; i++)
		if (lives(r->tasks[i]) &&
		    (traps_restore(r->tasks[i], e) < 0 ||
		     run_syscall_begin(r, rtask_here(r->tasks[i]), &c, e) < 0))
			return e->code;
	for (size_t i = 0; i < r->task_count; i++)
		if (lives(r->tasks[i]) && run_syscall_step(rtask_here(r->tasks[i]), e) < 0)
			return e->code;
	for (size_t i = 0; i < r->task_count; i++) {
		if (!lives(r->tasks[i]))
			continue;
		if (run_syscall_end(rtask_here(r->tasks[i]), &c, e) < 0)
			return e->code;
		if (c.result < 0)
			return err_res(e, c.result, "unmap the runner in pid %d", r->tasks[i]->pid);
	}
	return 0;
}

/* What PTRACE_GETREGSET gives for a thread that never touched it: the frame that the image's state goes into. */
struct fresh {
	void *state, *work;
	size_t size;
};

static int set_thread(struct rthread *th, struct fresh *f, struct err *e)
{
	const CoreEntry *core = th->core;
	uint64_t mask = core->tc ? core->tc->blk_sigset : core->thread_core->blk_sigset;
	struct user_regs_struct regs;

	memcpy(f->work, f->state, f->size);
	if (regs_from_image(th, &regs, e) < 0 || xstate_of_thread(th, f->work, f->size, e) < 0 ||
	    tracee_set_regs(th->here, &regs, e) < 0 ||
	    tracee_set_xstate(th->here, f->work, f->size, e) < 0)
		return err_on(e, "thread %d of pid %d", th->tid, th->task->pid);
	return tracee_set_mask(th->here, mask, e);
}

int finish_threads(struct restore *r, struct err *e)
{
	struct fresh f = { .size = xstate_size_max() };

	f.state = pool_alloc(&r->pool, f.size);
	f.work = pool_alloc(&r->pool, f.size);
	if (tracee_get_xstate(rtask_here(r->tasks[0]), f.state, &f.size, e) < 0)
		return e->code;
	if (take_out(r, e) < 0)
		return e->code;
	for (size_t i = 0; i < r->task_count; i++) {
		struct rtask *t = r->tasks[i];

		for (size_t k = 0; lives(t) && k < t->thread_count; k++)
			if (set_thread(&t->threads[k], &f, e) < 0)
				return e->code;
	}
	return 0;
}

/* Our death lets a thread go from now on. A process is still ended by it while one of its threads would be. */
static int free_threads(struct restore *r, struct err *e)
{
	for (size_t i = 0; i < r->task_count; i++)
		for (size_t k = 0; lives(r->tasks[i]) && k < r->tasks[i]->thread_count; k++)
			if (tracee_set_options(r->tasks[i]->threads[k].here, 0, e) < 0)
				return e->code;
	return 0;
}

/* In a process of its own: if we are gone before the word comes, half a tree might live. */
static void watch(const struct restore *r, int word)
{
	sigset_t all;
	char c;

	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, NULL);
	if (read(word, &c, 1) == 1)
		_exit(0);
	for (size_t i = 0; i < r->task_count; i++)
		if (lives(r->tasks[i]))
			kill(rtask_here(r->tasks[i]), SIGKILL);
	_exit(1);
}

static int free_watched(struct restore *r, struct err *e)
{
	int ends[2];
	pid_t watcher;
	int res;

	if (pipe2(ends, O_CLOEXEC) < 0)
		return err_sys(e, "make a pipe");
	own_fd word = ends[0];
	own_fd tell = ends[1];
	watcher = fork();
	if (watcher < 0)
		return err_sys(e, "fork");
	if (watcher == 0) {
		close(tell);
		watch(r, word);
	}
	/* Of one that failed the rest is ended as well: by the watcher, who gets no word, or by our caller. */
	res = free_threads(r, e);
	if (res == 0)
		res = io_write(tell, "", 1, "the watcher", e);
	own_close(&tell);
	tell = -1;
	while (waitpid(watcher, NULL, 0) < 0 && errno == EINTR)
		;
	return res;
}

int finish_commit(struct restore *r, struct err *e)
{
	size_t count = 0;

	if (halt_tasks(r, e) < 0)
		return e->code;
	for (size_t i = 0; i < r->task_count; i++)
		count += lives(r->tasks[i]);
	return count > 1 ? free_watched(r, e) : free_threads(r, e);
}

void finish_go(struct restore *r)
{
	for (size_t i = 0; i < r->task_count; i++) {
		const struct rtask *t = r->tasks[i];

		for (size_t k = 0; lives(t) && k < t->thread_count; k++)
			tracee_detach(t->threads[k].here, 0);
		if (lives(t))
			log_debug("pid %d: goes on, threads: %zu", t->pid, t->thread_count);
	}
}
