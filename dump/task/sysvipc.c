/*
 * Semaphore sets and message queues of System V. They belong to no process. Those of an IPC namespace of the tree's own are saved,
 * all of them; of the namespace of whoever dumps those that the tree shows to be in use by it, so that a restore can make them
 * again if they are gone. That is a set of which a semaphore was changed last by the tree, or of which it holds undo values; a queue
 * where the last to send or to receive was of the tree; and what a thread waits for. (Undo values: sysvipc_undo.c.)
 */
#include <sys/syscall.h>

#include "dump/ns.h"
#include "dump/sysv.h"
#include "images/ns/ipc_extra.pb-c.h"

static bool is_ours(const struct dump *d, uint32_t pid)
{
	for (size_t i = 0; pid && i < d->task_count; i++)
		if ((uint32_t)d->tasks[i]->pid == pid)
			return true;
	return false;
}

/* A thread of the tree is inside of one of these two calls, for that object. */
static bool in_call(const struct dump *d, long one, long other, uint32_t id)
{
	for (size_t i = 0; i < d->task_count; i++)
		for (size_t k = 0; k < d->tasks[i]->thread_count; k++) {
			const struct user_regs_struct *r = &d->tasks[i]->threads[k].regs;
			long nr = (long)r->orig_rax;

			if ((nr == one || nr == other) && (uint32_t)r->rdi == id)
				return true;
		}
	return false;
}

static bool set_is_used(const struct dump *d, const struct sem_set *s)
{
	for (uint32_t i = 0; i < s->count; i++)
		if (is_ours(d, s->pids[i]))
			return true;
	return in_call(d, SYS_semop, SYS_semtimedop, s->desc.id);
}

static bool queue_is_used(const struct dump *d, const struct msg_queue *q)
{
	return is_ours(d, q->sender) || is_ours(d, q->receiver) ||
	       in_call(d, SYS_msgsnd, SYS_msgrcv, q->desc.id);
}

/* The images, each made when there is something for it. */
struct out {
	struct dump *d;
	struct image sem, msg, extra;
};

static int write_to(struct out *o, struct image *img, enum image_kind kind, struct err *e)
{
	return img->file ? 0 :
			   image_create(img, o->d->images, kind, o->d->tasks[0]->ids->ipc_ns_id, e);
}

static int note(struct out *o, const IpcExtraEntry *x, struct err *e)
{
	if (write_to(o, &o->extra, IMG_IPC_EXTRA, e) < 0)
		return e->code;
	return image_write(&o->extra, x, e);
}

static int write_set(struct out *o, struct sem_set *s, struct err *e)
{
	IpcExtraEntry x = IPC_EXTRA_ENTRY__INIT;
	SemPidsEntry pids = SEM_PIDS_ENTRY__INIT;

	if (sem_set_values(s, s->values, e) < 0 || write_to(o, &o->sem, IMG_IPC_SEM, e) < 0 ||
	    sem_set_write(&o->sem, s, e) < 0)
		return e->code;
	pids.id = s->desc.id;
	pids.n_pids = s->count;
	pids.pids = pool_array(&o->d->pool, uint32_t, s->count);
	for (size_t i = 0; i < s->count; i++)
		pids.pids[i] = ns_pid_inside(o->d, s->pids[i]);
	x.sem = &pids;
	return note(o, &x, e);
}

static int write_queue(struct out *o, struct msg_queue *q, struct err *e)
{
	IpcExtraEntry x = IPC_EXTRA_ENTRY__INIT;
	MsgPidsEntry pids = MSG_PIDS_ENTRY__INIT;

	if (msg_queue_fill(&o->d->pool, q, e) < 0 || write_to(o, &o->msg, IMG_IPC_MSG, e) < 0 ||
	    msg_queue_write(&o->msg, q, e) < 0)
		return e->code;
	pids.id = q->desc.id;
	pids.sender = ns_pid_inside(o->d, q->sender);
	pids.receiver = ns_pid_inside(o->d, q->receiver);
	x.msg = &pids;
	return note(o, &x, e);
}

static int write_undo(struct out *o, const struct sem_undo *u, struct err *e)
{
	IpcExtraEntry x = IPC_EXTRA_ENTRY__INIT;
	SemUndoEntry entry = SEM_UNDO_ENTRY__INIT;

	entry.pid = u->task->inner;
	entry.id = u->set->desc.id;
	entry.number = u->number;
	entry.adjust = u->adjust;
	x.undo = &entry;
	return note(o, &x, e);
}

/* Inside of the namespace. One of the tree's own ends with it, so all of it is saved. */
static int write_all(void *arg, struct err *e)
{
	struct out *o = arg;
	struct sysv *all = o->d->sysv;
	struct msg_queue *queues = NULL;
	bool own = ns_is_own(o->d, NS_IPC);

	for (struct sem_set *s = all->sets; s; s = s->next)
		if ((own || s->used || set_is_used(o->d, s)) && write_set(o, s, e) < 0)
			return err_on(e, "System V semaphores with id %u", s->desc.id);
	for (const struct sem_undo *u = all->undos; u; u = u->next)
		if (write_undo(o, u, e) < 0)
			return e->code;
	if (msg_queues_read(&o->d->pool, &queues, e) < 0)
		return e->code;
	for (struct msg_queue *q = queues; q; q = q->next)
		if ((own || queue_is_used(o->d, q)) && write_queue(o, q, e) < 0)
			return err_on(e, "System V message queue with id %u", q->desc.id);
	return 0;
}

static int read_sets(void *dump, struct err *e)
{
	struct dump *d = dump;

	return sem_sets_read(&d->pool, &d->sysv->sets, e);
}

/* They are read when the first process is asked; nobody of the tree has changed them since it stands still. */
static int sysvipc_inside(struct task *t, struct err *e)
{
	struct dump *d = t->dump;

	if (!d->sysv) {
		d->sysv = pool_new(&d->pool, struct sysv);
		if (ns_run(d, NS_IPC, read_sets, d, e) < 0)
			return e->code;
	}
	return d->sysv->sets ? sysv_undo_inside(t, d->sysv, e) : 0;
}

static int sysvipc_finish(struct dump *d, struct err *e)
{
	struct out o = { .d = d };
	int r = d->sysv ? sysv_undo_check(d->sysv, e) : 0;

	if (d->sysv && r == 0)
		r = ns_run(d, NS_IPC, write_all, &o, e);
	if (r == 0 && (image_close(&o.sem, e) < 0 || image_close(&o.msg, e) < 0 ||
		       image_close(&o.extra, e) < 0))
		r = e->code;
	image_drop(&o.sem);
	image_drop(&o.msg);
	image_drop(&o.extra);
	return r;
}

const struct task_kind sysvipc_task_kind = {
	.name = "task/sysvipc",
	.inside = sysvipc_inside,
	.finish = sysvipc_finish,
};
