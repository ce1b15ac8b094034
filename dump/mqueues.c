/* See mqueues.h. */
#include "dump/mqueues.h"

#include <errno.h>
#include <sys/mman.h>
#include <sys/stat.h>

int mqueues_describe(MqueueEntry *ret, int fd, struct err *e)
{
	struct mq_attr a;
	struct stat st;

	if (mqueue_attributes(fd, &a, e) < 0)
		return e->code;
	if (fstat(fd, &st) < 0)
		return err_sys(e, "look at the queue");
	mqueue_entry__init(ret);
	ret->ino = st.st_ino;
	ret->unlinked = st.st_nlink == 0;
	ret->max_messages = a.mq_maxmsg;
	ret->message_size = a.mq_msgsize;
	ret->count = a.mq_curmsgs;
	ret->mode = st.st_mode & 07777;
	ret->uid = st.st_uid;
	ret->gid = st.st_gid;
	return 0;
}

static MqueueMessage *copy(struct pool *pool, const struct mqueue_message *m)
{
	MqueueMessage *ret = pool_new(pool, MqueueMessage);

	mqueue_message__init(ret);
	ret->priority = m->priority;
	ret->data.len = m->size;
	ret->data.data = pool_copy(pool, m->data, m->size + 1UL);
	return ret;
}

int mqueues_read_messages(struct pool *pool, MqueueEntry *q, int fd, struct err *e)
{
	struct mqueue_message *all, *m;
	size_t count = 0, size = 0;

	if (mqueue_look(fd, &all, &count, &size, e) < 0)
		return e->code;
	q->messages = pool_array(pool, MqueueMessage *, count + 1);
	m = all;
	for (size_t i = 0; i < count; i++, m = mqueue_next(m))
		q->messages[q->n_messages++] = copy(pool, m);
	q->count = count;
	munmap(all, size + 1);
	return 0;
}

int mqueues_refuse_notify(int pid, struct err *e)
{
	err_code(e, ENOTSUP,
		 "pid %d waits to be told of the next message (mq_notify), which is not supported",
		 pid);
	return err_hint(e, "let it cancel that before the dump");
}
