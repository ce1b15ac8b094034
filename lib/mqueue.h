/* POSIX message queues, by descriptors of them. */
#ifndef STASIS_LIB_MQUEUE_H
#define STASIS_LIB_MQUEUE_H

#include <mqueue.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>

#include "lib/err.h"

/* What the kernel writes about one. */
struct mqueue_status {
	uint64_t bytes; /* of all messages */
	int notify;	/* SIGEV_... of who is to be told; it counts if there is a pid */
	int pid;
};

bool mqueue_is(int fd, const struct stat *st);
/* An opening of our own. */
must_check int mqueue_reopen(int fd, int flags, int *ret_fd, struct err *e);
must_check int mqueue_status(int fd, struct mqueue_status *ret, struct err *e);
must_check int mqueue_attributes(int fd, struct mq_attr *ret, struct err *e);

/* One of the messages that mqueue_look() returns, 8-byte aligned, one behind the other. */
struct mqueue_message {
	uint32_t priority;
	uint32_t size;
	char data[];
};

static inline struct mqueue_message *mqueue_next(struct mqueue_message *m)
{
	return (struct mqueue_message *)(m->data + ((m->size + 7UL) & ~7UL));
}

/* Copies all messages, in their order; the caller unmaps *ret (*ret_size bytes). fd: an opening of our own for both ways. */
must_check int mqueue_look(int fd, struct mqueue_message **ret, size_t *ret_count, size_t *ret_size,
			   struct err *e);
/* Puts one into it. */
must_check int mqueue_put(int fd, const void *data, size_t size, uint32_t priority, struct err *e);

#endif
