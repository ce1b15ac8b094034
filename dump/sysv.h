/*
 * Semaphore sets and message queues of System V, which belong to an IPC namespace and not to a process. Read from
 * within the namespace, by id; nothing of it changes what the kernel tells of them (times, who used them last).
 */
#ifndef STASIS_DUMP_SYSV_H
#define STASIS_DUMP_SYSV_H

#include <sys/ipc.h>

#include "dump/dump.h"
#include "images/image.h"
#include "images/ns/ipc.pb-c.h"

struct sem_set {
	struct sem_set *next;
	IpcDescEntry desc;
	uint32_t count;
	bool used; /* it is to be saved */
	uint16_t *values;
	uint32_t *pids; /* who changed each last, 0: nobody */
};

struct sysv_message {
	struct sysv_message *next;
	long type;
	size_t size;
	void *data;
};

struct msg_queue {
	struct msg_queue *next;
	IpcDescEntry desc;
	bool used;
	uint32_t bytes;		   /* that it has room for */
	uint32_t sender, receiver; /* the last ones, 0: nobody */
	struct sysv_message *messages;
	uint32_t count;
};

/* All sets that we may read, with what is in them. */
must_check int sem_sets_read(struct pool *pool, struct sem_set **ret, struct err *e);
/* Its values, once more, from within the namespace. -EIDRM: it is gone. */
must_check int sem_set_values(const struct sem_set *s, uint16_t *ret, struct err *e);
must_check int sem_set_write(struct image *img, const struct sem_set *s, struct err *e);

/* All queues that we may read, without their messages. */
must_check int msg_queues_read(struct pool *pool, struct msg_queue **ret, struct err *e);
must_check int msg_queue_fill(struct pool *pool, struct msg_queue *q, struct err *e);
must_check int msg_queue_write(struct image *img, const struct msg_queue *q, struct err *e);

/* What all kinds of objects have, as IPC_STAT tells it. */
void sysv_describe(const struct ipc_perm *perm, uint32_t id, IpcDescEntry *ret);

/* An undo value (SEM_UNDO) of a process of the tree. */
struct sem_undo {
	struct sem_undo *next;
	const struct task *task;
	struct sem_set *set;
	uint32_t number;
	int adjust;
};

/* The semaphores of the dump's namespace, and what the tree holds of them: dump/task/sysvipc.c. */
struct sysv {
	struct sem_set *sets;
	struct sem_undo *undos;
};

must_check int sysv_undo_inside(struct task *t, struct sysv *all, struct err *e);
/* Processes that share a list of undo values would have them twice. */
must_check int sysv_undo_check(const struct sysv *all, struct err *e);

#endif
