/*
 * Undo values of semaphores (SEM_UNDO). The kernel tells them to nobody, but an operation fails with ERANGE if it took one
 * beyond 32767. So each thread that has a list of them is asked with operations that always fail: the semaphore is moved
 * there and back, once with and once without SEM_UNDO, then come steps that cannot be done with any value (EAGAIN). What fails
 * as a whole changes nothing: neither values nor times, nor who was last.
 *
 * Left behind is a list of zeros for each set that was asked about, which nobody can see. Processes without a list, which
 * kcmp(2) tells, are not asked. Sets that the process may not change are taken to have none of its values.
 */
#include <errno.h>
#include <linux/kcmp.h>
#include <string.h>
#include <sys/sem.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "dump/ns.h"
#include "dump/sysv.h"
#include "parasite/inject.h"

enum {
	TOP = 32767,	/* of values, and of undo values */
	ZERO = TOP + 1, /* how far up takes an undo value of 0 beyond the top */
	OPS = 16,
	AT_ONCE = 64, /* semaphores asked about by one plan */
	PARTS = 16,   /* that a range is divided into by one plan */
	TRIES = 100,
};

/* The thread that is asked, and about which set. */
struct asked {
	struct inject_plan run;
	size_t used; /* of the arena, before */
	const struct sem_set *set;
};

static int begin(struct asked *a, uint32_t entries, struct err *e)
{
	struct arena *arena = &a->run.i->arena;

	a->used = arena->used;
	return plan_begin(&a->run.plan, arena, entries, e);
}

static int run(struct asked *a, struct err *e)
{
	return inject_run(&a->run, 1, e) < 0 ? e->code : plan_outcome(&a->run.plan, e);
}

static void end(struct asked *a)
{
	plan_end(&a->run.plan);
	a->run.i->arena.used = a->used;
}

/*
 * Takes the undo value up by 'up', and then nothing of it has happened. What goes up first depends on where there is room.
 * The number of the entry in the plan.
 */
static int probe(struct asked *a, uint32_t number, int up)
{
	int value = a->set->values[number], n = 0;
	bool rise = TOP - value >= value;
	int most = rise ? TOP - value : value;
	struct sembuf *ops = plan_data(&a->run.plan, OPS * sizeof(*ops));

	for (int step; up > 0; up -= step) {
		step = up < most ? up : most;
		ops[n + rise] = (struct sembuf){ number, -step, SEM_UNDO | IPC_NOWAIT };
		ops[n + !rise] = (struct sembuf){ number, step, IPC_NOWAIT };
		n += 2;
	}
	/* Whatever the value has become by now, one of these fails. */
	ops[n++] = (struct sembuf){ number, -2, IPC_NOWAIT };
	ops[n++] = (struct sembuf){ number, 1, IPC_NOWAIT };
	ops[n++] = (struct sembuf){ number, 0, IPC_NOWAIT };
	return plan_try(&a->run.plan, "ask for an undo value of a semaphore", SYS_semop,
			ARG(a->set->desc.id), DATA(&a->run.plan, ops), ARG(n));
}

/* 1: it goes beyond; 0: it does not; or what else is the matter. */
static int answer(const struct asked *a, int entry, struct err *e)
{
	long r = plan_result(&a->run.plan, entry);

	if (r == -ERANGE || r == -EAGAIN)
		return r == -ERANGE;
	return err_res(e, r, "ask for an undo value of the semaphores with id %u", a->set->desc.id);
}

/* One plan: where between these two does the answer change? */
static int narrow(struct asked *a, uint32_t number, int *low, int *high, struct err *e)
{
	int from = *low, step = (*high - from + PARTS - 1) / PARTS, entries[PARTS], n = 0, r;

	if (begin(a, PARTS, e) < 0)
		return e->code;
	for (int at = from + step; at < *high; at += step)
		entries[n++] = probe(a, number, at);
	r = run(a, e);
	for (int i = 0; i < n && r == 0; i++) {
		r = answer(a, entries[i], e);
		if (r == 0)
			*low = from + step * (i + 1);
		else if (r > 0)
			*high = from + step * (i + 1);
	}
	end(a);
	return r < 0 ? r : 0;
}

static int search(struct asked *a, uint32_t number, int *ret, struct err *e)
{
	int low = 0, high = 2 * ZERO;

	while (high - low > 1)
		if (narrow(a, number, &low, &high, e) < 0)
			return e->code;
	*ret = ZERO - high;
	return 0;
}

/* Marks those of count semaphores from that one on whose undo value is not 0. */
static int sift(struct asked *a, uint32_t from, uint32_t count, bool *ret, struct err *e)
{
	int below[AT_ONCE], beyond[AT_ONCE], r;

	if (begin(a, 2 * AT_ONCE, e) < 0)
		return e->code;
	for (uint32_t i = 0; i < count; i++) {
		below[i] = probe(a, from + i, ZERO - 1);
		beyond[i] = probe(a, from + i, ZERO);
	}
	r = run(a, e);
	for (uint32_t i = 0; i < count && r == 0; i++) {
		int one = answer(a, below[i], e), other = answer(a, beyond[i], e);

		r = one < 0 ? one : other < 0 ? other : 0;
		ret[i] = one == 1 || other == 0;
	}
	end(a);
	return r;
}

/* Undo values of a whole set; zeros where there are none. */
static int ask_set(struct asked *a, int *ret, struct err *e)
{
	bool some[AT_ONCE];

	for (uint32_t from = 0; from < a->set->count; from += AT_ONCE) {
		uint32_t left = a->set->count - from, n = left < AT_ONCE ? left : AT_ONCE;

		if (sift(a, from, n, some, e) < 0)
			return e->code;
		for (uint32_t i = 0; i < n; i++) {
			ret[from + i] = 0;
			if (some[i] && search(a, from + i, &ret[from + i], e) < 0)
				return e->code;
		}
	}
	return 0;
}

struct look {
	const struct sem_set *set;
	uint16_t *ret;
};

static int look_inside(void *arg, struct err *e)
{
	const struct look *l = arg;

	return sem_set_values(l->set, l->ret, e);
}

static int look(struct dump *d, const struct sem_set *s, uint16_t *ret, struct err *e)
{
	struct look l = { s, ret };

	return ns_run(d, NS_IPC, look_inside, &l, e);
}

/* Somebody outside of the tree may change a semaphore meanwhile, and the answers would be to another question. */
static int ask_still(struct dump *d, struct asked *a, struct sem_set *s, int *ret, struct err *e)
{
	size_t bytes = s->count * sizeof(*s->values);
	uint16_t *after = pool_array(&d->pool, uint16_t, s->count);

	a->set = s;
	for (int i = 0; i < TRIES; i++) {
		if (look(d, s, s->values, e) < 0 || ask_set(a, ret, e) < 0 ||
		    look(d, s, after, e) < 0)
			return e->code;
		if (memcmp(after, s->values, bytes) == 0)
			return 0;
	}
	err_code(e, EBUSY, "the System V semaphores with id %u change all the while", s->desc.id);
	return err_hint(e, "try again when others use them less");
}

static void keep(struct sysv *all, struct task *t, struct sem_set *s, const int *adjust)
{
	for (uint32_t i = 0; i < s->count; i++) {
		struct sem_undo *u;

		if (!adjust[i])
			continue;
		u = pool_new(&t->dump->pool, struct sem_undo);
		*u = (struct sem_undo){ all->undos, t, s, i, adjust[i] };
		all->undos = u;
		s->used = true;
	}
}

static int ask_thread(struct task *t, size_t which, struct sysv *all, struct err *e)
{
	struct asked a = { .run = { .i = t->injection, .which = which } };

	for (struct sem_set *s = all->sets; s; s = s->next) {
		int *adjust = pool_array(&t->dump->pool, int, s->count);
		struct sem_undo *before = all->undos;
		int r = ask_still(t->dump, &a, s, adjust, e);

		if (r == -EACCES || r == -EIDRM || r == -EINVAL)
			continue; /* not for it to change, or gone */
		if (r < 0)
			return r;
		keep(all, t, s, adjust);
		if (which == 0 || all->undos == before)
			continue;
		return err_code(e, ENOTSUP,
				"thread %d holds undo values of semaphores apart from its process "
				"(CLONE_SYSVSEM), which is not supported",
				t->threads[which].tid);
	}
	return 0;
}

/* 1: they share it, or have none, both of them. */
static int same_list(int one, int other, struct err *e)
{
	long r = syscall(SYS_kcmp, one, other, KCMP_SYSVSEM, 0, 0);

	return r < 0 ? err_sys(e, "kcmp(%d, %d)", one, other) : r == 0;
}

/*
 * The guardian uses no semaphores, so it has no list, and all that have none are equal. If it had one after all, threads
 * without a list would be asked in vain.
 */
int sysv_undo_inside(struct task *t, struct sysv *all, struct err *e)
{
	for (size_t i = 0; i < t->thread_count; i++) {
		int none = same_list(getppid(), t->threads[i].tid, e);

		if (none == 0 && i > 0)
			none = same_list(t->pid, t->threads[i].tid, e);
		if (none < 0 || (none == 0 && ask_thread(t, i, all, e) < 0))
			return e->code;
	}
	return 0;
}

int sysv_undo_check(const struct sysv *all, struct err *e)
{
	for (const struct sem_undo *u = all->undos; u; u = u->next)
		for (const struct sem_undo *o = u->next; o; o = o->next) {
			int same = o->task == u->task ? 0 :
							same_list(u->task->pid, o->task->pid, e);

			if (same < 0)
				return same;
			if (same)
				return err_code(e, ENOTSUP,
						"pid %d and pid %d share undo values of semaphores "
						"(CLONE_SYSVSEM), which is not supported",
						o->task->pid, u->task->pid);
		}
	return 0;
}
