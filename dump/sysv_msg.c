/*
 * Message queues of System V: reading them, and ipcns-msg-*.img. MSG_COPY shows a message by its place and leaves it there
 * (a kernel with CONFIG_CHECKPOINT_RESTORE).
 */
#include "dump/sysv.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/msg.h>

#include "lib/io.h"

int msg_queues_read(struct pool *pool, struct msg_queue **ret, struct err *e)
{
	struct msginfo info;
	struct msg_queue *all = NULL;
	int last = msgctl(0, MSG_INFO, (struct msqid_ds *)&info);

	if (last < 0)
		return errno == ENOSYS ? 0 : err_sys(e, "msgctl(MSG_INFO)");
	for (int i = 0; i <= last && info.msgpool; i++) {
		struct msqid_ds ds;
		int id = msgctl(i, MSG_STAT_ANY, &ds);
		struct msg_queue *q;

		if (id < 0)
			continue;
		q = pool_new(pool, struct msg_queue);
		sysv_describe(&ds.msg_perm, id, &q->desc);
		q->bytes = ds.msg_qbytes;
		q->sender = ds.msg_lspid;
		q->receiver = ds.msg_lrpid;
		q->next = all;
		all = q;
	}
	*ret = all;
	return 0;
}

struct room {
	struct msgbuf *at;
	size_t size;
};

/* The message at that place: its size, or -errno. */
static ssize_t look(uint32_t id, uint32_t place, struct room *r, struct err *e)
{
	for (;;) {
		ssize_t got = msgrcv(id, r->at, r->size, place, MSG_COPY | IPC_NOWAIT);
		void *more;

		if (got >= 0 || errno != E2BIG)
			return got >= 0 ? got : -errno;
		more = realloc(r->at, sizeof(*r->at) + 2 * r->size);
		if (!more)
			return err_sys(e, "memory for a message");
		r->at = more;
		r->size *= 2;
	}
}

static int fill(struct pool *pool, struct msg_queue *q, struct room *r, struct err *e)
{
	struct sysv_message **end = &q->messages;

	for (q->count = 0;; q->count++) {
		ssize_t got = look(q->desc.id, q->count, r, e);

		if (got == -ENOMSG)
			return 0;
		if (got == -ENOSYS) {
			err_res(e, got, "look at the messages");
			return err_hint(
				e, "it takes a kernel with CONFIG_CHECKPOINT_RESTORE (MSG_COPY)");
		}
		if (got < 0) {
			err_res(e, got, "look at message %u", q->count);
			return got == -EINVAL ?
				       err_hint(e, "it may be larger than kernel.msgmax allows by "
						   "now: raise that before the dump") :
				       got;
		}
		*end = pool_new(pool, struct sysv_message);
		(*end)->type = r->at->mtype;
		(*end)->size = got;
		(*end)->data = pool_alloc(pool, (got + 7UL) & ~7UL);
		memcpy((*end)->data, r->at->mtext, got);
		end = &(*end)->next;
	}
}

int msg_queue_fill(struct pool *pool, struct msg_queue *q, struct err *e)
{
	struct room r = { .size = 8192 };
	int res;

	r.at = malloc(sizeof(*r.at) + r.size);
	res = r.at ? fill(pool, q, &r, e) : err_sys(e, "memory for a message");
	free(r.at);
	return res;
}

int msg_queue_write(struct image *img, const struct msg_queue *q, struct err *e)
{
	IpcMsgEntry m = IPC_MSG_ENTRY__INIT;
	IpcDescEntry desc = q->desc;

	m.desc = &desc;
	m.qbytes = q->bytes;
	m.qnum = q->count;
	if (image_write(img, &m, e) < 0)
		return e->code;
	for (const struct sysv_message *one = q->messages; one; one = one->next) {
		IpcMsg head = IPC_MSG__INIT;

		head.mtype = one->type;
		head.msize = one->size;
		if (image_write(img, &head, e) < 0 ||
		    image_write_extra(img, one->data, (one->size + 7) & ~7UL, e) < 0)
			return e->code;
	}
	return 0;
}
