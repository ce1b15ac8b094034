/*
 * The directory of 'stasis protect': folders increment-NNNNNN, each a complete set of images that stands on the one before,
 * and the link 'latest' (images/latest.h) to the newest. What the link does not lead to is not there for anybody.
 *
 * When there are too many, the second oldest is merged into the next one, or the oldest if that costs little more: made anew in the
 * folder 'merging' (images/merge.h), synced, and exchanged with the old one in one step. Only when that is on disk as well
 * the ones that nobody stands on any more are removed. So whatever is killed whenever, the chain from 'latest' is whole;
 * what else lies about is removed by the next who opens the directory.
 */
#ifndef STASIS_DUMP_CHAIN_H
#define STASIS_DUMP_CHAIN_H

#include <stddef.h>
#include <stdint.h>

#include "lib/compression.h"
#include "lib/err.h"

enum { CHAIN_NAME_MAX = 40 };

struct chain {
	int fd; /* the directory; not owned */
	unsigned *numbers; /* of the folders that are complete, the oldest first */
	size_t count;
	unsigned next; /* being made */
};

/* Locks the directory, and refuses one that holds something else, or images of another process than pid. */
must_check int chain_open(struct chain *c, int dir_fd, int pid, struct err *e);
void chain_close(struct chain *c);
/* "increment-000007" */
const char *chain_name(char *buf, unsigned number);

/* An empty folder for the next one. */
must_check int chain_begin(struct chain *c, int *ret_fd, struct err *e);
/* It is complete, and all of its files are on disk: it is the latest from here on. */
must_check int chain_publish(struct chain *c, struct err *e);
/* It came to nothing. */
void chain_abandon(struct chain *c);
/* Makes the chain as short as 'keep'. 1: something was merged. */
must_check int chain_shorten(struct chain *c, size_t keep, struct compression how, struct err *e);

/* What the files of a folder take on disk. */
uint64_t chain_bytes(const struct chain *c, unsigned number);

#endif
