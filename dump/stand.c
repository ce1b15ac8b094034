/* Bringing threads to a stand; see stand.h. */
#include "dump/stand.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/time.h>
#include <unistd.h>

#include "dump/cow.h"
#include "dump/freeze.h"
#include "dump/guard.h"
#include "lib/io.h"
#include "lib/log.h"
#include "lib/proc.h"
#include "lib/ptrace.h"

void stand_look_every(int ms)
{
	struct sigaction sa = { .sa_sigaction = tracee_on_tick, .sa_flags = SA_SIGINFO };
	struct itimerval it = { { 0, ms * 1000 }, { 0, ms * 1000 } };

	sigaction(SIGALRM, &sa, NULL);
	setitimer(ITIMER_REAL, &it, NULL);
}

/* As in /proc/PID/stat; X: it is gone. */
static char state_of(int tid)
{
	struct err e = { 0 };
	struct proc_stat s;
	own_fd fd = -1;

	return proc_open(tid, &fd, &e) < 0 || proc_stat_read(fd, &s, &e) < 0 ? 'X' : s.state;
}

/* A thread that has exited but was not reaped cannot be traced. */
static bool is_over(int tid)
{
	char state = state_of(tid);

	return state == 'Z' || state == 'X';
}

static struct thread *thread_of(const struct dump *d, int tid)
{
	for (size_t i = 0; i < d->task_count; i++)
		for (size_t k = 0; k < d->tasks[i]->thread_count; k++)
			if (d->tasks[i]->threads[k].tid == tid)
				return &d->tasks[i]->threads[k];
	return NULL;
}

/* A signal on its way is delivered; whatever else holds the thread up is passed, and it is asked again. */
static int on_report(struct attempt *a, struct thread *th, struct stop s, struct err *e)
{
	int r;

	if (s.kind == STOP_EXITED || s.kind == STOP_KILLED) {
		th->place = THREAD_GONE;
		return 0;
	}
	if (s.kind == STOP_INTERRUPT || s.kind == STOP_GROUP) {
		th->place = THREAD_STANDS;
		if (s.kind == STOP_GROUP) {
			th->task->state = TASK_STOPPED;
			th->task->stop_signal = s.value;
		}
		return 0;
	}
	/* One that stood is ended by another one's execve(), or was killed. */
	th->place = THREAD_ASKED;
	if (s.kind == STOP_EVENT)
		cow_event(a->d, th->tid, s.value);
	r = tracee_pass(th->tid, s, e);
	return r == -ESRCH ? 0 : r;
}

/* Of a tree that is traced while it runs; or left from an attempt before: it could not be let go then. */
static void on_stray(struct attempt *a, int tid, struct stop s)
{
	if (!cow_stray(a->d, tid, s) && s.kind != STOP_EXITED && s.kind != STOP_KILLED)
		freeze_leave(tid, s);
}

static int on_any(struct attempt *a, int tid, struct stop s, struct err *e)
{
	struct thread *th = thread_of(a->d, tid);

	if (th)
		return on_report(a, th, s, e);
	on_stray(a, tid, s);
	return 0;
}

static int take_reports(struct attempt *a, struct err *e)
{
	struct stop s;
	int tid;

	while (tracee_any(&tid, &s))
		if (on_any(a, tid, s, e) < 0)
			return e->code;
	return 0;
}

static int seize_with_options(int tid, struct err *e)
{
	/* Our own calls must get through the filters of the target; EINVAL: the kernel lacks that. */
	if (tracee_seize(tid, FREEZE_OPTIONS | PTRACE_O_SUSPEND_SECCOMP, e) == 0)
		return 0;
	if (e->code != -EINVAL)
		return e->code;
	return tracee_seize(tid, FREEZE_OPTIONS, e);
}

static int seize(struct task *t, int tid, struct err *e)
{
	struct err other = { 0 };
	uint64_t tracer = 0;
	char name[64];
	int r = seize_with_options(tid, e);

	if (r != -EPERM)
		return r;
	if (is_over(tid))
		return err_code(e, ESRCH, "thread %d is gone", tid);
	if (proc_status_number(t->proc_fd, "TracerPid", 10, &tracer, &other) < 0)
		return e->code;
	if (tracer && tracer != (uint64_t)getpid())
		return err_code(e, EBUSY, "pid %d is being traced by %s; end that first", t->pid,
				proc_name(tracer, name, sizeof(name)));
	/* A first thread that had ended, but another thread has just become the first by exec(). */
	return seize_with_options(tid, e);
}

/* For the log: the number of the system call, or "running", as /proc/PID/syscall has it. */
static void log_delay(const struct attempt *a, int tid, char state)
{
	char path[64], call[128] = "";
	own_fd fd = -1;

	snprintf(path, sizeof(path), "/proc/%d/syscall", tid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd >= 0 && read(fd, call, sizeof(call) - 1) > 0)
		call[strcspn(call, "\n")] = 0;
	log_debug("thread %d is in state %c after %u looks, system call: %s", tid, state, a->looks,
		  call);
}

/* While another thread of the process is in execve(), which may be waiting for those that we trace. */
static int look_around(struct attempt *a, struct task *t, int tid, struct err *e)
{
	char state;

	a->looks++;
	if (take_reports(a, e) < 0 || guard_check(a->d->guard, e) < 0)
		return e->code;
	if (io_now_us() < a->deadline)
		return 0;
	state = state_of(tid);
	log_delay(a, tid, state);
	a->crowded = state == 'R';
	return err_code(e, EAGAIN, "thread %d of pid %d does not stop: %s", tid, t->pid,
			a->crowded ?
				"others have the processors; --timeout sets how long is waited" :
				"it waits in the kernel for something else");
}

int stand_ask(struct attempt *a, struct task *t, int tid, struct err *e)
{
	struct err ignored = { 0 };
	int r;

	/* It is ours already if the tree is traced while it runs; or from an attempt before. */
	if (tracee_interrupt(tid, &ignored) == 0)
		return 0;
	while ((r = seize(t, tid, e)) == -EINTR)
		if (look_around(a, t, tid, e) < 0)
			return e->code;
	return r < 0 ? r : tracee_interrupt(tid, e);
}

/* The end of a leader is only told when its other threads have been reaped. */
static bool is_dead_leader(const struct thread *th)
{
	return th->tid == th->task->pid && is_over(th->tid);
}

/* What it has reported, or else whatever comes from anybody. */
static int wait_for_news(struct attempt *a, struct thread *th, struct err *e)
{
	struct stop s;
	int tid, r = tracee_look(th->tid, &s, e);

	if (r == -ECHILD) {
		/* It has become the first, by execve(), or that one has gone so. */
		th->place = THREAD_GONE;
		return 0;
	}
	if (r != 0)
		return r < 0 ? r : on_report(a, th, s, e);
	r = tracee_next(&tid, &s, e);
	if (r == -EINTR && is_dead_leader(th)) {
		th->place = THREAD_GONE;
		return 0;
	}
	if (r > 0)
		r = on_any(a, tid, s, e);
	if (r < 0 && r != -EINTR && r != -ECHILD)
		return r;
	return th->place == THREAD_ASKED ? look_around(a, th->task, th->tid, e) : 0;
}

static bool is_asked(const struct task *t)
{
	for (size_t i = 0; i < t->thread_count; i++)
		if (t->threads[i].place == THREAD_ASKED)
			return true;
	return false;
}

int stand_await(struct attempt *a, struct task *t, struct err *e)
{
	size_t stand = 0;

	/* One that stood may have to be waited for again. */
	while (is_asked(t))
		for (size_t i = 0; i < t->thread_count; i++)
			while (t->threads[i].place == THREAD_ASKED)
				if (wait_for_news(a, &t->threads[i], e) < 0)
					return e->code;
	for (size_t i = 0; i < t->thread_count; i++)
		if (t->threads[i].place == THREAD_STANDS)
			t->threads[stand++] = t->threads[i];
	t->thread_count = stand;
	return 0;
}
