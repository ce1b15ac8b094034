/* How a stopped tree goes on, or ends; see freeze.h. */
#include <errno.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "dump/cow.h"
#include "dump/freeze.h"
#include "dump/freezer.h"
#include "dump/ns.h"
#include "dump/restart.h"
#include "lib/io.h"
#include "lib/proc.h"
#include "lib/ptrace.h"

enum { ENDING_MS = 20 };

static void freeze_close(struct task *t)
{
	own_close(&t->pidfd);
	own_close(&t->proc_fd);
	t->pidfd = t->proc_fd = -1;
}

void freeze_forget(struct dump *d)
{
	for (size_t i = 0; i < d->task_count; i++)
		freeze_close(d->tasks[i]);
	d->task_count = 0;
}

/* A call that was interrupted just for us is made again, as it is behind any other stop of a dump. */
void freeze_leave(int tid, struct stop s)
{
	struct user_regs_struct regs;
	struct err ignored = { 0 };

	if (s.kind == STOP_INTERRUPT && tracee_get_regs(tid, &regs, &ignored) == 0 &&
	    restart_mend(tid, &regs))
		(void)!tracee_set_regs(tid, &regs, &ignored);
	tracee_detach(tid, s.kind == STOP_SIGNAL ? s.value : 0);
}

/*
 * A thread that does not stand yet may have stopped for a signal, which would be lost if it was let go without. One that
 * has not stopped at all cannot be let go: it is when it does (dump/stand.c), or by our end.
 */
static void detach(const struct thread *th)
{
	struct err ignored = { 0 };
	struct stop s;

	if (th->place == THREAD_STANDS)
		tracee_detach(th->tid, 0);
	else if (tracee_look(th->tid, &s, &ignored) > 0)
		freeze_leave(th->tid, s);
}

static void detach_task(const struct task *t)
{
	for (size_t i = 0; i < t->thread_count; i++)
		detach(&t->threads[i]);
}

void freeze_drop(struct task *t)
{
	detach_task(t);
	freeze_close(t);
}

static void detach_all(struct dump *d)
{
	for (size_t i = 0; i < d->task_count; i++)
		detach_task(d->tasks[i]);
}

void freeze_note(struct dump *d)
{
	struct dump_stats *stats = d->opt->dump_stats;
	uint32_t took = d->frozen_at ? io_now_us() - d->frozen_at : 0;

	if (!d->frozen_at)
		return;
	d->frozen_at = 0;
	stats->stops++;
	stats->frozen_time += took;
	stats->longest_stop = took > stats->longest_stop ? took : stats->longest_stop;
}

void freeze_let_go(struct dump *d)
{
	freezer_before_go(d);
	detach_all(d);
	freezer_after_go(d);
	freeze_note(d);
	freeze_forget(d);
}

void freeze_leave_stopped(struct dump *d)
{
	for (size_t i = 0; i < d->task_count; i++)
		if (d->tasks[i]->state == TASK_ALIVE)
			kill(d->tasks[i]->pid, SIGSTOP);
	detach_all(d);
	for (size_t i = 0; i < d->task_count; i++)
		proc_wait_stopped(d->tasks[i]->pid);
	freezer_after_go(d);
	freeze_forget(d);
}

void freeze_kill(struct dump *d)
{
	int status;

	for (size_t i = 0; i < d->task_count; i++)
		if (d->tasks[i]->state != TASK_DEAD)
			syscall(SYS_pidfd_send_signal, d->tasks[i]->pidfd, SIGKILL, NULL, 0);
	/*
	 * Each by its number, for which the kernel need not look through all; leaders are reported when the others are gone. But of
	 * a first process of a pid namespace whichever thread ends last is reported when all others in there have been reaped.
	 */
	for (size_t i = 0; i < d->task_count && !ns_is_own(d, NS_PID); i++)
		for (size_t k = d->tasks[i]->thread_count; k-- > 0;)
			while (waitpid(d->tasks[i]->threads[k].tid, &status, __WALL) < 0 &&
			       errno == EINTR)
				;
	/* Tracees are waited for like children; none are left once all are gone. */
	while (waitpid(-1, &status, __WALL) > 0 || errno == EINTR)
		;
	freezer_after_go(d);
	freeze_forget(d);
}

int freeze_set_options(struct dump *d, struct err *e)
{
	for (size_t i = 0; i < d->task_count; i++)
		for (size_t k = 0; k < d->tasks[i]->thread_count; k++) {
			int tid = d->tasks[i]->threads[k].tid;
			int r = tracee_set_options(tid, FREEZE_OPTIONS | PTRACE_O_SUSPEND_SECCOMP,
						   e);

			if (r == -EINVAL)
				r = tracee_set_options(tid, FREEZE_OPTIONS, e);
			if (r < 0)
				return r;
		}
	return 0;
}

/* What is on its last steps has no threads; nor has a first thread whose place another one is just taking by execve(). */
int freeze_read_stat(struct task *t, struct err *e)
{
	for (int i = 0; i < ENDING_MS; i++) {
		if (proc_stat_read(t->proc_fd, &t->stat, e) < 0)
			return e->code;
		if (t->stat.threads > 0 && t->stat.state != 'X')
			return 0;
		usleep(1000);
	}
	return err_code(e, ESRCH, "pid %d is gone", t->pid);
}

int freeze_await_end(struct task *t, struct err *e)
{
	for (int i = 0; t->stat.state == 'Z' && t->stat.threads > 1 && i < ENDING_MS; i++) {
		own_pids tids = { 0 };
		struct err ignored = { 0 };

		if (proc_threads(t->proc_fd, &tids, e) < 0)
			return e->code;
		for (size_t k = 0; k < tids.count; k++) {
			if (!tracee_ends(tids.pid[k])) {
				(void)tracee_reap(tids.pid[k]);
				continue;
			}
			cow_event(t->dump, tids.pid[k], PTRACE_EVENT_EXIT);
			(void)!tracee_go(tids.pid[k], PTRACE_CONT, 0, &ignored);
		}
		usleep(1000);
		if (freeze_read_stat(t, e) < 0)
			return e->code;
	}
	return 0;
}
