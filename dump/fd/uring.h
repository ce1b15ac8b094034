/* Rings of io_uring in a dump: dump/fd/uring.c describes them, dump/fd/uring_look.c finds out what the kernel does not tell. */
#ifndef STASIS_DUMP_FD_URING_H
#define STASIS_DUMP_FD_URING_H

#include "dump/files.h"
#include "images/fd/uring.pb-c.h"
#include "images/uring.h"

/* A ring as we see it: our own mappings of it, by a copy of its descriptor. */
struct uring {
	int fd;
	bool no_groups;		       /* it is known that no buffers are provided */
	struct io_uring_params params; /* flags that were found, sizes, layout */
	char *ring;
	size_t ring_size; /* of the mapping */
	char *sqes;
	size_t sqes_size;
};

static inline uint32_t *uring_word(const struct uring *u, uint32_t at)
{
	return (uint32_t *)(u->ring + at);
}

/* Refuses what it has registered and cannot be carried, or cannot be asked. */
must_check int uring_check_registered(struct uring *u, struct err *e);
/* Maps it, and finds out how it was set up. u->fd and the entries of u->params are set. */
must_check int uring_look(struct uring *u, struct err *e);
void uring_unmap(struct uring *u);

#endif
