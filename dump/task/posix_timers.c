/*
 * POSIX timers. Which there are and whom they tell is in /proc/PID/timers, the time left only the process can ask for.
 *
 * The kernel does not tell which thread's CPU time a timer on CLOCK_THREAD_CPUTIME_ID measures. With SIGEV_THREAD_ID
 * it is taken to be the thread that is told, which is what such timers are made for; else such a timer of a process
 * with several threads is refused.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>

#include "dump/dump.h"
#include "dump/ns.h"
#include "lib/cpu_clock.h"
#include "lib/io.h"

enum { TIMERS_MAX = 500 };

struct asked {
	PosixTimerEntry *entry;
	struct itimerspec *left; /* in the plan's data */
	int overrun;		 /* number of the plan's entry */
};

struct note {
	size_t count;
	struct asked timer[TIMERS_MAX];
};

static const struct {
	const char *name;
	int notify;
} notifies[] = {
	{ "signal", SIGEV_SIGNAL },
	{ "none", SIGEV_NONE },
	{ "thread", SIGEV_THREAD },
};

/* "signal/tid.123": kind, and who is told. */
static int parse_notify(const char *text, PosixTimerEntry *ret, struct err *e)
{
	char name[16], who[4];
	int id;

	if (sscanf(text, "%15[a-z]/%3[a-z].%d", name, who, &id) != 3)
		return err_say(e, "/proc/PID/timers has an unknown form: '%s'", text);
	for (size_t i = 0; i < ARRAY_SIZE(notifies); i++) {
		if (strcmp(name, notifies[i].name) != 0)
			continue;
		ret->it_sigev_notify = notifies[i].notify;
		if (strcmp(who, "tid") == 0) {
			ret->it_sigev_notify |= SIGEV_THREAD_ID;
			ret->has_notify_thread_id = 1;
			ret->notify_thread_id = id;
		}
		return 0;
	}
	return err_code(e, ENOTSUP, "a timer notifies by '%s', which is not known", name);
}

/* One timer is four lines. *text moves behind them; *ret is NULL at the end. */
static int parse_timer(struct pool *pool, char **text, PosixTimerEntry **ret, struct err *e)
{
	PosixTimerEntry *t = pool_new(pool, PosixTimerEntry);
	char notify[64] = "";
	int id, sig, clock, used = 0;
	unsigned long value;

	*ret = NULL;
	if (!**text)
		return 0;
	if (sscanf(*text, "ID: %d\nsignal: %d/%lx\nnotify: %63s\nClockID: %d\n%n", &id, &sig,
		   &value, notify, &clock, &used) != 5 ||
	    !used)
		return err_say(e, "/proc/PID/timers has an unknown form");
	*text += used;
	posix_timer_entry__init(t);
	t->it_id = id;
	t->si_signo = sig;
	t->sival_ptr = value;
	t->clock_id = clock;
	*ret = t;
	return parse_notify(notify, t, e);
}

static int check(const struct task *t, const PosixTimerEntry *timer, struct err *e)
{
	if (clock_of_creator((clockid_t)timer->clock_id) && t->thread_count > 1 &&
	    !(timer->it_sigev_notify & SIGEV_THREAD_ID))
		return err_code(e, ENOTSUP,
				"timer %u measures the CPU time of one thread, and the kernel does "
				"not tell of which",
				timer->it_id);
	return 0;
}

static int posix_timers_ask(struct task *t, struct plan *p, void **ret_note, struct err *e)
{
	struct pool *pool = &t->dump->pool;
	own_mem char *text = NULL;
	PosixTimerEntry *timer;
	struct note *note;
	char *at;

	if (io_slurp(t->proc_fd, "timers", &text, NULL, e) < 0)
		return e->code;
	if (!*text)
		return 0;
	note = pool_new(pool, struct note);
	*ret_note = note;
	at = text;
	for (;;) {
		struct asked *a = &note->timer[note->count];

		if (parse_timer(pool, &at, &timer, e) < 0 || (timer && check(t, timer, e) < 0))
			return e->code;
		if (!timer)
			return 0;
		if (timer->has_notify_thread_id)
			timer->notify_thread_id = ns_pid_inside(t->dump, timer->notify_thread_id);
		if (note->count == TIMERS_MAX)
			return err_code(e, ENOTSUP, "there are more than %d timers", TIMERS_MAX);
		a->entry = timer;
		a->left = plan_data(p, sizeof(*a->left));
		plan_call(p, "ask for the time left of a timer", SYS_timer_gettime,
			  ARG(timer->it_id), DATA(p, a->left));
		a->overrun = plan_call(p, "ask for the overrun of a timer", SYS_timer_getoverrun,
				       ARG(timer->it_id));
		note->count++;
	}
}

static int posix_timers_save(struct task *t, const struct plan *p, void *ret_note, struct err *e)
{
	TaskTimersEntry *timers = t->threads[0].core->tc->timers;
	const struct note *note = ret_note;

	(void)e;
	if (!note)
		return 0;
	timers->posix = pool_array(&t->dump->pool, PosixTimerEntry *, note->count);
	for (size_t i = 0; i < note->count; i++) {
		const struct asked *a = &note->timer[i];

		a->entry->isec = a->left->it_interval.tv_sec;
		a->entry->insec = a->left->it_interval.tv_nsec;
		a->entry->vsec = a->left->it_value.tv_sec;
		a->entry->vnsec = a->left->it_value.tv_nsec;
		a->entry->overrun = plan_result(p, a->overrun);
		timers->posix[timers->n_posix++] = a->entry;
	}
	return 0;
}

const struct task_kind posix_timers_task_kind = {
	.name = "task/posix_timers",
	.ask = posix_timers_ask,
	.save = posix_timers_save,
};
