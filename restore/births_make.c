/*
 * Making the tree: each task is cloned by its creator's runner, in the order that sessions and inherited
 * memory ask for, and stands still at its first instruction until it is given a plan of its own.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/proc.h"
#include "restore/births.h"
#include "restore/cgroups.h"
#include "restore/files.h"
#include "restore/load.h"
#include "restore/memory.h"
#include "restore/ns.h"
#include "restore/run.h"
#include "restore/spawn.h"
#include "restore/stream.h"

enum { SESSION_ROOM = 8 };
enum which { STRANGERS = 1, HEIRS = 2, BEFORE = 4, AFTER = 8 };

/* Tasks that creator is to clone now. */
static bool chosen(const struct rtask *t, const struct rtask *creator, unsigned int which)
{
	return t->creator == creator && which & (t->inherits ? HEIRS : STRANGERS) &&
	       which & (t->before_setsid ? BEFORE : AFTER);
}

static size_t count_chosen(const struct restore *r, const struct rtask *creator, unsigned int which)
{
	size_t n = 0;

	for (size_t i = 0; i < r->task_count; i++)
		n += chosen(r->tasks[i], creator, which);
	return n;
}

static uint64_t clone_flags(const struct rtask *t)
{
	const struct rtask *c = t->creator;
	uint64_t flags = CLONE_PTRACE | (t->parent == c ? 0 : CLONE_PARENT);

	if (t->ids && c->ids && t->ids->files_id == c->ids->files_id)
		flags |= CLONE_FILES;
	if (t->ids && c->ids && t->ids->fs_id == c->ids->fs_id)
		flags |= CLONE_FS;
	return flags;
}

static void plan_clone(struct rtask *t, struct plan *p)
{
	struct clone_args *args = plan_data(p, sizeof(*args));
	pid_t *tid = plan_data(p, sizeof(*tid));

	*tid = t->pid;
	args->flags = clone_flags(t);
	args->exit_signal = args->flags & CLONE_PARENT ? 0 : SIGCHLD;
	args->set_tid = arena_there(p->arena, tid).at;
	args->set_tid_size = 1;
	plan_call(p, plan_words(p, "create process %d", t->pid), SYS_clone3, DATA(p, args),
		  ARG(sizeof(*args)));
}

/* The descriptor that leads to us has to get out of the way of the task's own. */
static int move_helper_fd(struct rtask *t, struct err *e)
{
	struct plan p;
	int want = rfiles_free_number(t);

	t->helper_fd = t->creator->helper_fd;
	if (t->helper || t->state == 2 || want == t->helper_fd ||
	    (t->ids && t->creator->ids && t->ids->files_id == t->creator->ids->files_id))
		return 0;
	if (plan_begin(&p, &t->restore->arena, 2, e) < 0)
		return e->code;
	plan_call(&p, "move our descriptor", SYS_dup3, ARG(t->helper_fd), ARG(want),
		  ARG(O_CLOEXEC));
	plan_call(&p, "close our descriptor", SYS_close, ARG(t->helper_fd));
	t->helper_fd = want;
	return run_one(t->restore, rtask_here(t), &p, "new process", e);
}

static int clone_chosen(struct rtask *creator, unsigned int which, struct err *e)
{
	struct restore *r = creator->restore;
	size_t n = count_chosen(r, creator, which);
	struct plan p;

	if (n == 0)
		return 0;
	if (plan_begin(&p, &r->arena, n, e) < 0)
		return e->code;
	for (size_t i = 0; i < r->task_count; i++)
		if (chosen(r->tasks[i], creator, which))
			plan_clone(r->tasks[i], &p);
	if (run_one(r, rtask_here(creator), &p, "create the tree", e) < 0)
		return e->code;
	for (size_t i = 0; i < r->task_count; i++)
		if (chosen(r->tasks[i], creator, which) &&
		    (run_await_birth(r, &r->tasks[i]->threads[0], e) < 0 ||
		     rcgroups_attach(r->tasks[i], e) < 0 || move_helper_fd(r->tasks[i], e) < 0))
			return e->code;
	return 0;
}

static int found_session(struct rtask *t, struct err *e)
{
	struct plan p;

	if (t->sid != t->pid)
		return 0;
	if (plan_begin(&p, &t->restore->arena, SESSION_ROOM, e) < 0)
		return e->code;
	plan_call(&p, "found a session", SYS_setsid);
	/* At once: who is born from here on inherits its terminal, and nobody gets it in another way. */
	rfiles_session(t, &p);
	return run_one(t->restore, rtask_here(t), &p, "session", e);
}

/* A child that shares no memory is cloned before the memory is there: nothing has to be copied for it. */
static int make_children(struct rtask *t, struct err *e)
{
	struct restore *r = t->restore;

	if (clone_chosen(t, STRANGERS | BEFORE, e) < 0 || found_session(t, e) < 0 ||
	    clone_chosen(t, STRANGERS | AFTER, e) < 0)
		return e->code;
	if (t->mm && (count_chosen(r, t, HEIRS | AFTER) > 0 || rstream_in_order(r)) &&
	    (memory_restore(t, e) < 0 || clone_chosen(t, HEIRS | AFTER, e) < 0))
		return e->code;
	for (size_t i = 0; i < r->task_count; i++)
		if (r->tasks[i]->creator == t && make_children(r->tasks[i], e) < 0)
			return e->code;
	return 0;
}

/* The group that it was born into, 0: ours. */
static int birth_group(const struct rtask *t)
{
	const struct rtask *c = t->creator;

	if (!c)
		return 0;
	return c->sid == c->pid && !t->before_setsid ? c->pid : birth_group(c);
}

/* Leaders first: a group can only be joined when it is there. */
static int join_groups(struct restore *r, bool leaders, struct err *e)
{
	for (size_t i = 0; i < r->task_count; i++) {
		struct rtask *t = r->tasks[i];
		struct plan p;

		if ((t->pid == t->pgid) != leaders || t->sid == t->pid ||
		    birth_group(t) == t->pgid || !load_find(r, t->pgid))
			continue;
		if (plan_begin(&p, &r->arena, 1, e) < 0)
			return e->code;
		plan_call(&p, plan_words(&p, "join process group %d", t->pgid), SYS_setpgid, ARG(0),
			  ARG(t->pgid));
		if (run_one(r, rtask_here(t), &p, "process group", e) < 0)
			return err_on(e, "pid %d", t->pid);
	}
	return 0;
}

enum { ZOMBIE_PATIENCE_MS = 5000 };

/* The process that was dumped may not have been reaped by its parent yet: that is given a moment. */
static bool in_use(int tid, int *patience_ms)
{
	struct proc_stat st;
	struct err ignored = { 0 };

	for (;; usleep(1000)) {
		own_fd proc = -1;

		if (kill(tid, 0) < 0 && errno == ESRCH)
			return false;
		if (proc_open(tid, &proc, &ignored) < 0)
			return false;
		if (proc_stat_read(proc, &st, &ignored) == 0 && st.state != 'Z')
			return true;
		if ((*patience_ms)-- <= 0)
			return true;
	}
}

/* Said before anything is made: who holds a pid that we need. */
static int check_pids(struct restore *r, struct err *e)
{
	int patience_ms = ZOMBIE_PATIENCE_MS;
	char name[64];

	for (size_t i = 0; i < r->task_count; i++)
		for (size_t k = 0; k < r->tasks[i]->thread_count; k++) {
			int tid = r->tasks[i]->threads[k].tid;

			if (!in_use(tid, &patience_ms))
				continue;
			err_code(e, EEXIST, "pid %d, which the tree needs, is in use by %s", tid,
				 proc_name(tid, name, sizeof(name)));
			return err_hint(e, "end that process, or restore in a pid namespace");
		}
	return 0;
}

/*
 * An heir is born when its parent's vdso has left the place where new tasks find theirs. So whoever has a child that
 * has to find one there cannot be an heir.
 */
void births_choose_heirs(struct restore *r)
{
	bool changed = true;

	for (size_t i = 0; i < r->task_count; i++)
		r->tasks[i]->inherits = memory_inherits(r->tasks[i]);
	while (changed) {
		changed = false;
		for (size_t i = 0; i < r->task_count; i++) {
			const struct rtask *t = r->tasks[i];

			if (!t->mm || t->inherits || !t->creator || !t->creator->inherits)
				continue;
			t->creator->inherits = false;
			changed = true;
		}
	}
}

int births_first(struct restore *r, struct err *e)
{
	if (!r->opt->dry_run && !rns_is_own(r, NS_PID) && check_pids(r, e) < 0)
		return e->code;
	births_choose_heirs(r);
	return spawn_root(r->tasks[0], e);
}

static int make_below(struct rtask *t, struct err *e)
{
	if ((t != t->restore->tasks[0] && spawn_root(t, e) < 0) || rcgroups_attach(t, e) < 0)
		return e->code;
	return make_children(t, e);
}

int births_make(struct restore *r, struct err *e)
{
	if (!rns_is_own(r, NS_MNT) && births_first(r, e) < 0)
		return e->code;
	for (size_t i = 0; i < r->task_count; i++)
		if (!r->tasks[i]->creator && make_below(r->tasks[i], e) < 0)
			return e->code;
	if (join_groups(r, true, e) < 0)
		return e->code;
	return join_groups(r, false, e);
}

/* The wait status tells how it went: an exit code, or a signal (the core flag cannot be had again). */
static int end_task(struct rtask *t, struct err *e)
{
	int status = t->core ? (int)t->core->tc->exit_code : 0;
	int sig = status & 0x7f;
	struct plan p;

	if (plan_begin(&p, &t->restore->arena, 8, e) < 0)
		return e->code;
	if (sig == 0) {
		plan_call(&p, "exit", SYS_exit_group, ARG(status >> 8 & 0xff));
	} else {
		uint64_t *action = plan_data(&p, 4 * sizeof(*action)); /* SIG_DFL */
		uint64_t *mask = plan_data(&p, sizeof(*mask));

		*mask = ~(1ULL << (sig - 1));
		plan_call(&p, "leave no core", SYS_prctl, ARG(PR_SET_DUMPABLE), ARG(0));
		plan_try(&p, "default action", SYS_rt_sigaction, ARG(sig), DATA(&p, action), ARG(0),
			 ARG(8));
		plan_call(&p, "unblock the signal", SYS_rt_sigprocmask, ARG(SIG_SETMASK),
			  DATA(&p, mask), ARG(0), ARG(8));
		plan_call(&p, "die by the signal", SYS_kill, ARG(t->pid), ARG(sig));
	}
	int r = run_to_death(t->restore, rtask_here(t), &p, e);
	plan_end(&p);
	return r < 0 ? err_on(e, "pid %d", t->pid) : 0;
}

static int reap_helper(struct rtask *h, struct err *e)
{
	struct plan p;

	if (!h->parent) /* ours: the report of its death was the last of it */
		return 0;
	if (plan_begin(&p, &h->restore->arena, 1, e) < 0)
		return e->code;
	plan_call(&p, "reap a helper", SYS_wait4, ARG(h->pid), ARG(0), ARG(__WALL), ARG(0));
	return run_one(h->restore, rtask_here(h->parent), &p, "helper", e);
}

int births_deaths(struct restore *r, struct err *e)
{
	for (size_t i = 0; i < r->task_count; i++) {
		struct rtask *t = r->tasks[i];

		if (!t->helper && t->state != 2)
			continue;
		if (end_task(t, e) < 0 || (t->helper && reap_helper(t, e) < 0))
			return e->code;
	}
	return 0;
}
