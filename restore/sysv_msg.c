/* Message queues of System V: loading ipcns-msg-*.img, and finding or making them. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/msg.h>

#include "images/image.h"
#include "lib/io.h"
#include "restore/sysv.h"

static int check(const struct rsysv_ipc *all, const IpcMsgEntry *m, const char *name, struct err *e)
{
	if (m->desc->id > INT32_MAX)
		return err_say(e, "'%s' has a queue with id %u, which cannot be", name,
			       m->desc->id);
	for (size_t i = 0; i < all->queue_count; i++)
		if (all->queues[i].entry->desc->id == m->desc->id)
			return err_say(e, "'%s' has a queue with id %u twice", name, m->desc->id);
	return 0;
}

static int load_message(struct image *img, struct rmessage *ret, struct err *e)
{
	own_message IpcMsg *m = NULL;
	int got = image_read(img, &ipc_msg__descriptor, &m, e);

	if (got < 0)
		return got;
	if (got == 0 || m->mtype == 0 || m->mtype > INT64_MAX)
		return err_say(e, "'%s' lacks messages of a queue, or has some without a type",
			       img->name);
	if (image_take_extra(img, (m->msize + 7UL) & ~7UL, &ret->data, e) < 0)
		return e->code;
	ret->type = m->mtype;
	ret->size = m->msize;
	return 0;
}

static int add(struct rsysv_ipc *all, struct image *img, IpcMsgEntry **entry, struct err *e)
{
	struct rmsg_queue *q;
	uint32_t count = (*entry)->qnum;

	if (check(all, *entry, img->name, e) < 0 ||
	    io_grow(&all->queues, all->queue_count, sizeof(*all->queues), e) < 0)
		return e->code;
	q = &all->queues[all->queue_count++];
	*q = (struct rmsg_queue){ .entry = *entry };
	*entry = NULL;
	q->entry->qnum = 0;
	while (q->entry->qnum < count) {
		if (io_grow(&q->messages, q->entry->qnum, sizeof(*q->messages), e) < 0 ||
		    load_message(img, &q->messages[q->entry->qnum], e) < 0)
			return e->code;
		q->entry->qnum++;
	}
	return 0;
}

int rmsg_load(struct rsysv_ipc *all, int images, uint32_t ns, struct err *e)
{
	own_image img = { 0 };

	if (image_open(&img, images, IMG_IPC_MSG, ns, e) < 0)
		return e->code;
	for (;;) {
		own_message IpcMsgEntry *m = NULL;
		int got = image_read(&img, &ipc_msg_entry__descriptor, &m, e);

		if (got <= 0)
			return got;
		if (add(all, &img, &m, e) < 0)
			return e->code;
	}
}

static int send(int id, const struct rmessage *m, struct err *e)
{
	own_mem struct msgbuf *buf = malloc(sizeof(*buf) + m->size);

	if (!buf)
		return err_sys(e, "memory for a message");
	buf->mtype = m->type;
	memcpy(buf->mtext, m->data, m->size);
	if (msgsnd(id, buf, m->size, IPC_NOWAIT) < 0)
		return err_sys(e, "put a message of %u bytes into it", m->size);
	return 0;
}

static int get(int key, int flags, const void *)
{
	return msgget(key, flags);
}

static void remove_queue(int id)
{
	msgctl(id, IPC_RMID, NULL);
}

/* What its messages need, which may be more than it is to take from now on. */
static uint64_t room(const struct rmsg_queue *q)
{
	uint64_t bytes = 0;

	for (uint32_t i = 0; i < q->entry->qnum; i++)
		bytes += q->messages[i].size;
	bytes = bytes > q->entry->qnum ? bytes : q->entry->qnum;
	return bytes > q->entry->qbytes ? bytes : q->entry->qbytes;
}

static int set(const struct rmsg_queue *q, uint64_t bytes, struct err *e)
{
	const IpcDescEntry *d = q->entry->desc;
	struct msqid_ds ds = { .msg_qbytes = bytes };

	ds.msg_perm.uid = d->uid;
	ds.msg_perm.gid = d->gid;
	ds.msg_perm.mode = d->mode & 0777;
	if (msgctl(d->id, IPC_SET, &ds) == 0)
		return 0;
	err_sys(e, "msgctl(IPC_SET, %lu bytes)", bytes);
	return err_hint(e, "more bytes than /proc/sys/kernel/msgmnb take CAP_SYS_RESOURCE");
}

static int make_new(struct rmsg_queue *q, struct err *e)
{
	const IpcDescEntry *d = q->entry->desc;
	const struct sysv_maker maker = { "/proc/sys/kernel/msg_next_id", get, remove_queue, NULL };
	int r = sysv_take(d, (int)d->key, &maker);

	if (r < 0) {
		err_res(e, r, "make a message queue (key 0x%x)", d->key);
		return r == -EEXIST ? err_hint(e, "the id or the key is in use by another one") : r;
	}
	q->made = true;
	if (set(q, room(q), e) < 0)
		return e->code;
	for (uint32_t i = 0; i < q->entry->qnum; i++)
		if (send(d->id, &q->messages[i], e) < 0)
			return e->code;
	return room(q) > q->entry->qbytes ? set(q, q->entry->qbytes, e) : 0;
}

int rmsg_make(struct rmsg_queue *q, bool dry_run, struct err *e)
{
	const IpcDescEntry *d = q->entry->desc;
	struct msqid_ds ds;

	if (msgctl(d->id, IPC_STAT, &ds) < 0) {
		if (errno != EINVAL && errno != EIDRM)
			return err_sys(e, "msgctl(IPC_STAT)");
		return dry_run ? 0 : make_new(q, e);
	}
	if ((uint32_t)ds.msg_perm.__key == d->key)
		return 0;
	return err_code(e, EEXIST, "there is another message queue with this id (key 0x%x)",
			ds.msg_perm.__key);
}

void rmsg_close(struct rmsg_queue *q, bool failed)
{
	if (failed && q->made)
		remove_queue(q->entry->desc->id);
	for (uint32_t i = 0; i < q->entry->qnum; i++)
		free(q->messages[i].data);
	free(q->messages);
	image_message_free(&q->entry);
}
