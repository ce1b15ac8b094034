/*
 * Signals that wait: those of the process and those of each thread, with all that they carry (PTRACE_PEEKSIGINFO).
 *
 * Timers go on while the tree is stopped. The queues are read twice, before and after the timers were asked: what has
 * come late is kept, but not the signal of a timer that was asked before it went off, or it would go off twice.
 *
 * How often a periodic timer has run over while its signal waits is not told before the signal is taken. So our plan
 * takes it and puts it back, with the count in it, in one go.
 */
#include <signal.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <time.h>

#include "dump/dump.h"
#include "lib/io.h"

enum { AT_ONCE = 32, SIGINFO_SIZE = 128, SI_SYS_PRIVATE = 32 };

static int peek(int tid, bool shared, uint64_t from, siginfo_t *ret, struct err *e)
{
	struct __ptrace_peeksiginfo_args args = {
		.off = from,
		.flags = shared ? PTRACE_PEEKSIGINFO_SHARED : 0,
		.nr = AT_ONCE,
	};
	long n = ptrace(PTRACE_PEEKSIGINFO, tid, &args, ret);

	if (n < 0)
		return err_sys(e, "read pending signals");
	return n;
}

static void add(struct pool *pool, SignalQueueEntry *q, const siginfo_t *info)
{
	SiginfoEntry *entry = pool_new(pool, SiginfoEntry);

	/* Room for a power of two. */
	if ((q->n_signals & (q->n_signals - 1)) == 0) {
		SiginfoEntry **more = pool_array(pool, SiginfoEntry *, 2 * q->n_signals + 1);

		if (q->n_signals)
			memcpy(more, q->signals, q->n_signals * sizeof(*more));
		q->signals = more;
	}
	siginfo_entry__init(entry);
	entry->siginfo.len = SIGINFO_SIZE;
	entry->siginfo.data = pool_copy(pool, info, SIGINFO_SIZE);
	/* The kernel's own note in the signal of a timer. */
	if (info->si_code == SI_TIMER)
		memset(entry->siginfo.data + SI_SYS_PRIVATE, 0, sizeof(int));
	q->signals[q->n_signals++] = entry;
}

static const siginfo_t *info_of(const SiginfoEntry *s)
{
	return (const siginfo_t *)s->siginfo.data;
}

/* *ret is NULL if nothing waits. */
static int read_queue(struct thread *th, bool shared, SignalQueueEntry **ret, struct err *e)
{
	struct pool *pool = &th->task->dump->pool;
	SignalQueueEntry *q = NULL;
	siginfo_t got[AT_ONCE];
	int n;

	do {
		n = peek(th->tid, shared, q ? q->n_signals : 0, got, e);
		if (n < 0)
			return n;
		if (n > 0 && !q) {
			q = pool_new(pool, SignalQueueEntry);
			signal_queue_entry__init(q);
		}
		for (int i = 0; i < n; i++)
			add(pool, q, &got[i]);
	} while (n == AT_ONCE);
	*ret = q;
	return 0;
}

static int sigpending_read(struct task *t, struct err *e)
{
	return read_queue(&t->threads[0], true, &t->threads[0].core->tc->signals_s, e);
}

static int sigpending_thread_read(struct thread *th, struct err *e)
{
	return read_queue(th, false, &th->core->thread_core->signals_p, e);
}

static uint64_t numbers(const SignalQueueEntry *q)
{
	uint64_t bits = 0;

	for (size_t i = 0; q && i < q->n_signals; i++)
		bits |= 1ULL << (info_of(q->signals[i])->si_signo - 1);
	return bits;
}

/* --- signals of timers that have run over -------------------------------------------------------- */

static size_t count_number(const SignalQueueEntry *q, int sig)
{
	size_t n = 0;

	for (size_t i = 0; q && i < q->n_signals; i++)
		n += info_of(q->signals[i])->si_signo == sig;
	return n;
}

/* From the thread's status; 0 if there is no such line. */
static uint64_t status_number(const struct thread *th, const char *key, int base)
{
	own_mem char *text = NULL;
	struct err ignored = { 0 };
	char path[48];
	const char *line;

	snprintf(path, sizeof(path), "task/%d/status", th->tid);
	if (io_slurp(th->task->proc_fd, path, &text, NULL, &ignored) < 0)
		return 0;
	line = strstr(text, key);
	return line ? strtoull(line + strlen(key), NULL, base) : 0;
}

/* Taking a signal must not be able to lose it: there has to be room for putting it back. */
static bool has_room(const struct thread *th)
{
	struct rlimit limit;

	/* "SigQ: queued/limit" */
	return prlimit(th->tid, RLIMIT_SIGPENDING, NULL, &limit) == 0 &&
	       status_number(th, "\nSigQ:", 10) + 2 < limit.rlim_cur;
}

/* Only where no other signal of the number waits, so that no order can change. */
static void take_and_put_back(struct thread *th, bool shared, struct plan *p)
{
	const SignalQueueEntry *both[] = { th->task->threads[0].core->tc->signals_s,
					   th->core->thread_core->signals_p };
	const SignalQueueEntry *q = both[shared ? 0 : 1];

	for (size_t i = 0; q && i < q->n_signals; i++) {
		const siginfo_t *s = info_of(q->signals[i]);
		struct timespec *now;
		siginfo_t *info;
		uint64_t *set;

		if (s->si_code != SI_TIMER || !has_room(th) ||
		    count_number(both[0], s->si_signo) + count_number(both[1], s->si_signo) != 1)
			continue;
		info = plan_data(p, sizeof(*info));
		set = plan_data(p, sizeof(*set));
		now = plan_data(p, sizeof(*now));
		*set = 1ULL << (s->si_signo - 1);
		plan_call(p, "take the signal of a timer", SYS_rt_sigtimedwait, DATA(p, set),
			  DATA(p, info), DATA(p, now), ARG(8));
		if (shared)
			plan_call(p, "put the signal back", SYS_rt_sigqueueinfo,
				  ARG(th->task->inner), ARG(s->si_signo), DATA(p, info));
		else
			plan_call(p, "put the signal back", SYS_rt_tgsigqueueinfo,
				  ARG(th->task->inner), ARG(th->inner), ARG(s->si_signo),
				  DATA(p, info));
	}
}

/* Before posix_timers.c asks: from here on the timer runs again. */
static int sigpending_ask(struct task *t, struct plan *p, void **note, struct err *e)
{
	(void)note, (void)e;
	take_and_put_back(&t->threads[0], true, p);
	return 0;
}

static int sigpending_thread_ask(struct thread *th, struct plan *p, void **note, struct err *e)
{
	uint64_t *pending = plan_data(p, sizeof(*pending));

	(void)e;
	take_and_put_back(th, false, p);
	plan_call(p, "ask which signals wait", SYS_rt_sigpending, DATA(p, pending), ARG(8));
	*note = pending;
	return 0;
}

/* --- the second look ----------------------------------------------------------------------------- */

struct timer_state {
	bool known;
	uint64_t left, interval; /* microseconds, when it was asked */
	bool waits;		 /* it does not run on while its signal waits */
};

static struct timer_state itimer_state(const ItimerEntry *t, bool real)
{
	return (struct timer_state){
		.known = true,
		.left = t->vsec * 1000000 + t->vusec,
		.interval = t->isec * 1000000 + t->iusec,
		.waits = real,
	};
}

/* Which timer has sent this? */
static struct timer_state find_timer(const TaskTimersEntry *all, const siginfo_t *s)
{
	if (s->si_code == SI_KERNEL && s->si_signo == SIGALRM)
		return itimer_state(all->real, true);
	if (s->si_code == SI_KERNEL && s->si_signo == SIGVTALRM)
		return itimer_state(all->virt, false);
	if (s->si_code == SI_KERNEL && s->si_signo == SIGPROF)
		return itimer_state(all->prof, false);
	for (size_t i = 0; s->si_code == SI_TIMER && i < all->n_posix; i++) {
		const PosixTimerEntry *t = all->posix[i];

		if ((int)t->it_id == s->si_timerid)
			return (struct timer_state){
				.known = true,
				.left = t->vsec * 1000000 + (t->vnsec + 999) / 1000,
				.interval = t->isec * 1000000 + t->insec / 1000,
			};
	}
	return (struct timer_state){ 0 };
}

static bool same_sender(const siginfo_t *a, const siginfo_t *b)
{
	return a->si_signo == b->si_signo && a->si_code == b->si_code &&
	       (a->si_code != SI_TIMER || a->si_timerid == b->si_timerid);
}

static bool contains(const SignalQueueEntry *q, const siginfo_t *s)
{
	for (size_t i = 0; q && i < q->n_signals; i++)
		if (same_sender(info_of(q->signals[i]), s))
			return true;
	return false;
}

/* It was not there before the timers were asked. Has it gone off before that, or since? */
static bool came_since(const struct task *t, const siginfo_t *s)
{
	struct timer_state timer = find_timer(t->threads[0].core->tc->timers, s);
	uint64_t stopped = io_now_us() - t->dump->frozen_at;

	if (!timer.known || timer.left == 0)
		return false;
	return timer.interval == 0 || timer.waits || timer.interval - timer.left >= stopped;
}

/* *seen gets the numbers of all that waits, whatever is kept of it. */
static int look_again(struct thread *th, bool shared, SignalQueueEntry **q, uint64_t *seen,
		      struct err *e)
{
	const SignalQueueEntry *before = *q;
	SignalQueueEntry *now, *kept;

	if (read_queue(th, shared, &now, e) < 0)
		return e->code;
	*q = NULL;
	if (!now)
		return 0;
	*seen |= numbers(now);
	kept = pool_new(&th->task->dump->pool, SignalQueueEntry);
	signal_queue_entry__init(kept);
	for (size_t i = 0; i < now->n_signals; i++) {
		const siginfo_t *s = info_of(now->signals[i]);

		/* A timer has one signal; a second one came after we put the first one back. */
		if (s->si_code == SI_TIMER && contains(kept, s) &&
		    find_timer(th->task->threads[0].core->tc->timers, s).known)
			continue;
		if (!contains(before, s) && came_since(th->task, s))
			continue;
		add(&th->task->dump->pool, kept, s);
	}
	if (kept->n_signals)
		*q = kept;
	return 0;
}

/* A signal that found no memory for what it carries is a bit and no more; that is how it will be received. */
static void add_bare(struct thread *th, SignalQueueEntry **q, uint64_t bits)
{
	struct pool *pool = &th->task->dump->pool;

	for (int sig = 1; sig <= 64; sig++) {
		siginfo_t info = { .si_signo = sig };

		if (!(bits >> (sig - 1) & 1) || count_number(*q, sig))
			continue;
		if (!*q) {
			*q = pool_new(pool, SignalQueueEntry);
			signal_queue_entry__init(*q);
		}
		add(pool, *q, &info);
	}
}

/* The timers are known by now: they were asked in the leader's first plan. */
static int sigpending_thread_save(struct thread *th, const struct plan *p, void *note,
				  struct err *e)
{
	TaskCoreEntry *tc = th->task->threads[0].core->tc;
	ThreadCoreEntry *own = th->core->thread_core;
	bool leader = th == &th->task->threads[0];
	uint64_t seen, bare;

	(void)p;
	/* Nothing waited before the plan, nor in it: that is most threads. */
	if (!*(uint64_t *)note && !own->signals_p && !(leader && tc->signals_s))
		return 0;
	seen = leader ? 0 : numbers(tc->signals_s);
	if ((leader && look_again(th, true, &tc->signals_s, &seen, e) < 0) ||
	    look_again(th, false, &own->signals_p, &seen, e) < 0)
		return e->code;
	bare = *(uint64_t *)note & ~seen;
	if (!bare)
		return 0;
	if (leader)
		add_bare(th, &tc->signals_s, bare & status_number(th, "\nShdPnd:", 16));
	add_bare(th, &own->signals_p, bare & status_number(th, "\nSigPnd:", 16));
	return 0;
}

const struct task_kind sigpending_task_kind = {
	.name = "task/sigpending",
	.read = sigpending_read,
	.ask = sigpending_ask,
	.thread_read = sigpending_thread_read,
	.thread_ask = sigpending_thread_ask,
	.thread_save = sigpending_thread_save,
};
