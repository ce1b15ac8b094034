/*
 * Pages that a task does not read by itself: compressed ones, and those of large files (images/plain.h). When its plan has
 * mapped everything, they are put into place from outside by several threads, each chunk taken once. No more memory is needed
 * than a chunk or two for each thread.
 */
#ifndef STASIS_RESTORE_UNPACK_H
#define STASIS_RESTORE_UNPACK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "images/packed.h"

/* Pages of one chunk that go to one place. */
struct unpack_piece {
	const struct packed *file;
	uint64_t offset, bytes; /* in the pages file */
	bool fresh;		/* what is there is zero: pages that are zero need not be written */
	bool is_same;		/* all are the one page at offset */
	pid_t pid; /* into the memory of this task, at 'to'; 0: into fd, or at a pointer of ours */
	int fd;	   /* at this offset; -1: neither */
	uint64_t to;
};

struct unpack {
	struct unpack_piece *pieces;
	size_t count;
	uint64_t bytes;
	bool at_the_disk; /* some are not in the page cache */
};

/* The piece may lie in several chunks. */
must_check int unpack_add(struct unpack *u, const struct unpack_piece *piece, struct err *e);
/* Does all that was added. */
must_check int unpack_run(struct unpack *u, struct err *e);
void unpack_drop(struct unpack *u);

#endif
