/*
 * Inodes found by the file handle that /proc/PID/fdinfo tells of what is watched: open_by_handle_at(2), through
 * any mount of the file system. It wants a directory that is open for reading, and to open one is an event
 * that somebody may be watching for; the current directory will do as well, so we go there for the moment.
 */
#ifndef STASIS_LIB_HANDLES_H
#define STASIS_LIB_HANDLES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/err.h"

struct handles;

/* As fdinfo has it. */
struct handle {
	uint32_t
		dev; /* of the file system, as the kernel has it inside: minor in the lower 20 bits */
	uint32_t type, size;
	const void *bytes;
};

/* A mount that we see. */
struct handle_mount {
	int id;
	uint32_t dev;
	const char *at;
	bool whole; /* its root is that of the file system */
};

/* Reads the list of mounts. */
must_check int handles_begin(struct handles **ret, struct err *e);
/* Goes back to where we were. NULL is none. */
void handles_end(struct handles *h);
/*
 * An O_PATH descriptor of the inode, as seen through the first mount from *at on (0: the first) that has it; *at is behind it
 * then. -errno without a sentence: -ENOENT when there are no more mounts.
 */
int handles_open(struct handles *h, const struct handle *what, size_t *at, int *ret_fd);
/* The nth mount, those of whole file systems first; NULL: there are no more. */
const struct handle_mount *handles_mount(const struct handles *h, size_t n);

#endif
