/*
 * POSIX message queues as the images have them: of descriptors (dump/fd/mqueue.c), and all that belong to an IPC namespace of the
 * tree's own (dump/ns/ipc_mqueue.c).
 */
#ifndef STASIS_DUMP_MQUEUES_H
#define STASIS_DUMP_MQUEUES_H

#include "dump/dump.h"
#include "images/fd/mqueue.pb-c.h"
#include "lib/mqueue.h"

/* What the queue is like; name, flags and position are the caller's. fd: an opening of our own. */
must_check int mqueues_describe(MqueueEntry *ret, int fd, struct err *e);
/* Its messages, in their order. */
must_check int mqueues_read_messages(struct pool *pool, MqueueEntry *q, int fd, struct err *e);
/* Refuses a queue of which somebody waits to be told (mq_notify). */
int mqueues_refuse_notify(int pid, struct err *e);

/* Inside of the namespace: */
must_check int ipc_mqueues_check(struct err *e);
must_check int ipc_mqueues_save(struct dump *d, uint32_t id, struct err *e);

#endif
