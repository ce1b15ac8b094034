/*
 * Semaphore sets and message queues of System V of a restore. One that is still there, with its id and key, is the same one
 * and stays as it is: it is shared with the living. One that is gone is made again, with its id and what was in it.
 */
#ifndef STASIS_RESTORE_SYSV_H
#define STASIS_RESTORE_SYSV_H

#include "images/ns/ipc.pb-c.h"
#include "images/ns/ipc_extra.pb-c.h"
#include "restore/restore.h"

struct sem_undo {
	int pid;
	uint32_t number;
	int adjust;
	int mend; /* to be added besides, for what the kernel has not taken back at the end of the process */
};

struct rsem_set {
	IpcSemEntry *entry;
	uint16_t *values; /* of the images */
	uint32_t *pids;	  /* NULL: not known */
	struct sem_undo *undos;
	size_t undo_count;
	bool made; /* by us: removed if the restore fails */
};

struct rmsg_queue {
	IpcMsgEntry *entry;
	struct rmessage {
		long type;
		uint32_t size;
		char *data;
	} * messages;
	uint32_t sender, receiver;
	bool made;
};

/* Of one namespace. */
struct rsysv_ipc {
	struct rsem_set *sets;
	size_t set_count;
	struct rmsg_queue *queues;
	size_t queue_count;
};

must_check int rsem_load(struct rsysv_ipc *all, int images, uint32_t ns, struct err *e);
must_check int rmsg_load(struct rsysv_ipc *all, int images, uint32_t ns, struct err *e);
/* Finds or makes it. In a dry run nothing is made. */
must_check int rsem_make(struct rsem_set *s, bool dry_run, struct err *e);
must_check int rmsg_make(struct rmsg_queue *q, bool dry_run, struct err *e);
void rsem_close(struct rsem_set *s, bool failed);
void rmsg_close(struct rmsg_queue *q, bool failed);

/* How an object of a kind is made. */
struct sysv_maker {
	const char *next_id; /* the file of /proc that takes the id of the next one */
	int (*get)(int key, int flags, const void *arg); /* semget and its likes */
	void (*remove)(int id);
	const void *arg;
};

/* 0, or -errno: -EEXIST when the id or the key belongs to another one. Its creator is the one of the images. */
int sysv_take(const IpcDescEntry *d, int key, const struct sysv_maker *m);

#endif
