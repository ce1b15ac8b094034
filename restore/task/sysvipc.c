/*
 * Semaphore sets and message queues of System V that the tree used (restore/sysv.h), and what only its processes can put
 * into them: who was last, and undo values. These come by operations that take up again what the kernel has given back
 * at the end of the process; if somebody else has it by now they wait a second, and then the restore fails.
 */
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <sys/msg.h>
#include <sys/sem.h>
#include <sys/syscall.h>
#include <time.h>

#include "images/image.h"
#include "lib/io.h"
#include "restore/load.h"
#include "restore/ns.h"
#include "restore/sysv.h"

enum { STEP = 32767, OPS = 8, ADJUST_MAX = 32768 };

static struct rsem_set *find_set(const struct rsysv_ipc *all, uint32_t id)
{
	for (size_t i = 0; i < all->set_count; i++)
		if (all->sets[i].entry->desc->id == id)
			return &all->sets[i];
	return NULL;
}

static bool lives(const struct restore *r, uint32_t pid)
{
	const struct rtask *t = pid <= INT_MAX ? load_find(r, (int)pid) : NULL;

	return t && !t->helper && t->state != 2;
}

static int take_sem_pids(const struct rsysv_ipc *all, const SemPidsEntry *m, struct err *e)
{
	struct rsem_set *s = find_set(all, m->id);

	if (!s || s->pids || m->n_pids != s->entry->nsems)
		return err_say(e, "it does not fit the semaphores with id %u", m->id);
	s->pids = malloc(m->n_pids * sizeof(*s->pids));
	if (!s->pids)
		return err_sys(e, "memory for semaphores");
	for (size_t i = 0; i < m->n_pids; i++)
		s->pids[i] = m->pids[i];
	return 0;
}

static int take_msg_pids(const struct rsysv_ipc *all, const MsgPidsEntry *m, struct err *e)
{
	for (size_t i = 0; i < all->queue_count; i++)
		if (all->queues[i].entry->desc->id == m->id) {
			all->queues[i].sender = m->sender;
			all->queues[i].receiver = m->receiver;
			return 0;
		}
	return err_say(e, "it is of a message queue with id %u that there is not", m->id);
}

static int take_undo(const struct restore *r, const SemUndoEntry *m, struct err *e)
{
	struct rsem_set *s = find_set(r->sysv_ipc, m->id);

	if (!s || m->number >= s->entry->nsems || !lives(r, m->pid) || !m->adjust ||
	    m->adjust < -ADJUST_MAX || m->adjust >= ADJUST_MAX)
		return err_say(e,
			       "it has an impossible undo value %d for pid %u, semaphore %u of %u",
			       m->adjust, m->pid, m->number, m->id);
	for (size_t i = 0; i < s->undo_count; i++)
		if (s->undos[i].pid == (int)m->pid && s->undos[i].number == m->number)
			return err_say(e, "it has two undo values for pid %u, semaphore %u of %u",
				       m->pid, m->number, m->id);
	if (io_grow(&s->undos, s->undo_count, sizeof(*s->undos), e) < 0)
		return e->code;
	s->undos[s->undo_count++] =
		(struct sem_undo){ .pid = (int)m->pid, .number = m->number, .adjust = m->adjust };
	return 0;
}

static int load_extra(struct restore *r, uint32_t ns, struct err *e)
{
	own_image img = { 0 };

	if (image_open(&img, r->images, IMG_IPC_EXTRA, ns, e) < 0)
		return e->code;
	for (;;) {
		own_message IpcExtraEntry *x = NULL;
		int got = image_read(&img, &ipc_extra_entry__descriptor, &x, e);

		if (got <= 0)
			return got;
		if ((x->sem && take_sem_pids(r->sysv_ipc, x->sem, e) < 0) ||
		    (x->msg && take_msg_pids(r->sysv_ipc, x->msg, e) < 0) ||
		    (x->undo && take_undo(r, x->undo, e) < 0))
			return err_on(e, "'%s'", img.name);
	}
}

/* Most programs have no such file. */
static int forgive(int res, struct err *e)
{
	if (res != -ENOENT)
		return res;
	*e = (struct err){ 0 };
	return 0;
}

static int sysvipc_load(struct restore *r, struct err *e)
{
	const struct rtask *first = r->tasks[0];
	uint32_t ns = first->ids ? first->ids->ipc_ns_id : 0;

	r->sysv_ipc = pool_new(&r->pool, struct rsysv_ipc);
	if (forgive(rsem_load(r->sysv_ipc, r->images, ns, e), e) < 0 ||
	    forgive(rmsg_load(r->sysv_ipc, r->images, ns, e), e) < 0 ||
	    forgive(load_extra(r, ns, e), e) < 0)
		return e->code;
	return 0;
}

/* In the namespace of the tree. */
static int make_all(void *restore, struct err *e)
{
	struct restore *r = restore;
	struct rsysv_ipc *all = r->sysv_ipc;

	for (size_t i = 0; i < all->set_count; i++)
		if (rsem_make(&all->sets[i], r->opt->dry_run, e) < 0)
			return err_on(e, "System V semaphores with id %u",
				      all->sets[i].entry->desc->id);
	for (size_t i = 0; i < all->queue_count; i++)
		if (rmsg_make(&all->queues[i], r->opt->dry_run, e) < 0)
			return err_on(e, "System V message queue with id %u",
				      all->queues[i].entry->desc->id);
	return 0;
}

static int sysvipc_make(struct restore *r, struct err *e)
{
	if (rns_is_own(r, NS_IPC) && r->opt->dry_run)
		return 0;
	return rns_run(r, NS_IPC, make_all, r, e);
}

struct closing {
	struct rsysv_ipc *all;
	bool failed;
};

static int close_all(void *arg, struct err *)
{
	const struct closing *c = arg;

	for (size_t i = 0; i < c->all->set_count; i++)
		rsem_close(&c->all->sets[i], c->failed);
	for (size_t i = 0; i < c->all->queue_count; i++)
		rmsg_close(&c->all->queues[i], c->failed);
	free(c->all->sets);
	free(c->all->queues);
	return 0;
}

static void sysvipc_close(struct restore *r, bool failed)
{
	struct closing c = { r->sysv_ipc, failed };
	struct err ignored = { 0 };

	if (r->sysv_ipc)
		(void)!rns_run(r, NS_IPC, close_all, &c, &ignored);
	r->sysv_ipc = NULL;
}

/* One operation can move a semaphore by so much. */
static size_t add_ops(struct sembuf *ops, uint32_t number, int change, int flags)
{
	size_t n = 0;

	while (change) {
		int step = change > STEP ? STEP : change < -STEP ? -STEP : change;

		ops[n++] = (struct sembuf){ number, step, flags };
		change -= step;
	}
	return n;
}

/* There and back, so that the value is what it was and the undo value is there. As far at a time as there is room for. */
static size_t add_pairs(struct sembuf *ops, uint32_t number, int value, int change)
{
	bool rise = STEP - value >= value;
	int most = rise ? STEP - value : value;
	size_t n = 0;

	while (change) {
		int step = change > most ? most : change < -most ? -most : change;
		bool second = rise == (step < 0);

		ops[n + second] = (struct sembuf){ number, step, SEM_UNDO };
		ops[n + !second] = (struct sembuf){ number, -step, 0 };
		n += 2;
		change -= step;
	}
	return n;
}

/* In a set of our own making the value is there already; else it is taken from what there is. */
static void undo(const struct rsem_set *s, const struct sem_undo *u, struct plan *p)
{
	struct sembuf *ops = plan_data(p, OPS * sizeof(*ops));
	struct timespec *second = plan_data(p, sizeof(*second));
	size_t n;

	second->tv_sec = 1;
	if (s->made) {
		n = add_pairs(ops, u->number, s->values[u->number], -u->adjust);
	} else {
		n = add_ops(ops, u->number, -u->adjust, SEM_UNDO);
		n += add_ops(ops + n, u->number, u->mend, 0);
	}
	plan_call(p,
		  plan_words(p, "take up again what it held of System V semaphore %u of id %u",
			     u->number, s->entry->desc->id),
		  SYS_semtimedop, ARG(s->entry->desc->id), DATA(p, ops), ARG(n), DATA(p, second));
}

static bool has_undo(const struct rsem_set *s, uint32_t number)
{
	for (size_t i = 0; i < s->undo_count; i++)
		if (s->undos[i].number == number)
			return true;
	return false;
}

static bool is_last(const struct rsem_set *s, uint32_t number, int pid)
{
	return s->made && s->pids && s->pids[number] == (uint32_t)pid && !has_undo(s, number);
}

static void set_state(const struct rsem_set *s, int pid, struct plan *p)
{
	for (size_t i = 0; i < s->undo_count; i++)
		if (s->undos[i].pid == pid)
			undo(s, &s->undos[i], p);
	for (uint32_t i = 0; i < s->entry->nsems; i++)
		if (is_last(s, i, pid))
			plan_call(p, "set a System V semaphore", SYS_semctl,
				  ARG(s->entry->desc->id), ARG(i), ARG(SETVAL), ARG(s->values[i]));
}

static long unused_type(const struct rmsg_queue *q)
{
	long type = LONG_MAX;

	for (uint32_t i = 0; i < q->entry->qnum; i++)
		if (q->messages[i].type == type) {
			type--;
			i = UINT32_MAX; /* from the start */
		}
	return type;
}

/* A message that comes and goes shows whose queue it is. There may be no room for it. */
static void queue_state(const struct rmsg_queue *q, struct plan *p)
{
	struct msgbuf *m = plan_data(p, sizeof(*m));

	m->mtype = unused_type(q);
	plan_try(p, "send a message", SYS_msgsnd, ARG(q->entry->desc->id), DATA(p, m), ARG(0),
		 ARG(IPC_NOWAIT));
	plan_try(p, "take it back", SYS_msgrcv, ARG(q->entry->desc->id), DATA(p, m), ARG(0),
		 ARG(m->mtype), ARG(IPC_NOWAIT));
}

static uint32_t user_of(const struct restore *r, const struct rmsg_queue *q)
{
	return lives(r, q->sender) ? q->sender : q->receiver;
}

static int sysvipc_state(struct rtask *t, struct plan *p, struct err *)
{
	const struct rsysv_ipc *all = t->restore->sysv_ipc;

	for (size_t i = 0; i < all->set_count; i++)
		set_state(&all->sets[i], t->pid, p);
	for (size_t i = 0; i < all->queue_count; i++)
		if (all->queues[i].made && user_of(t->restore, &all->queues[i]) == (uint32_t)t->pid)
			queue_state(&all->queues[i], p);
	return 0;
}

static uint32_t sysvipc_room(const struct rthread *th)
{
	const struct rsysv_ipc *all = th->task->restore->sysv_ipc;
	uint32_t n = 0;

	if (th != &th->task->threads[0])
		return 0;
	for (size_t i = 0; i < all->set_count; i++) {
		const struct rsem_set *s = &all->sets[i];

		n += s->undo_count;
		for (uint32_t k = 0; k < s->entry->nsems; k++)
			n += is_last(s, k, th->task->pid);
	}
	return n + 2 * all->queue_count;
}

const struct restore_kind sysvipc_restore_kind = {
	.name = "task/sysvipc",
	.load = sysvipc_load,
	.make = sysvipc_make,
	.close = sysvipc_close,
	.room = sysvipc_room,
	.task_state = sysvipc_state,
};
