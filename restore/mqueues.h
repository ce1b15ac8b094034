/*
 * POSIX message queues of a restore: of descriptors (restore/fd/mqueue.c), and all that belong to an IPC namespace of the tree's
 * own (restore/ns/ipc_mqueue.c).
 */
#ifndef STASIS_RESTORE_MQUEUES_H
#define STASIS_RESTORE_MQUEUES_H

#include "images/fd/mqueue.pb-c.h"
#include "restore/restore.h"

/* A new one without messages, open for everything; a name that another one has is refused with -EEXIST. */
must_check int rmqueue_create(const MqueueEntry *q, const char *name, int *ret_fd, struct err *e);
must_check int rmqueue_fill(const MqueueEntry *q, int fd, struct err *e);

struct ipc_mqueues {
	MqueueEntry **at;
	size_t count;
};

must_check int ipc_mqueues_load(struct restore *r, uint32_t ns, struct err *e);
/* Inside of the namespace. */
must_check int ipc_mqueues_make(const struct restore *r, struct err *e);
void ipc_mqueues_close(struct restore *r);

#endif
