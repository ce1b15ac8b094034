/*
 * Which trees are not all there yet: a file for each server in /run/stasis, locked as long as one of its two processes
 * lives. A dump of such a tree would take missing pages for zeros, so it waits.
 */
#ifndef STASIS_LAZY_SERVING_H
#define STASIS_LAZY_SERVING_H

#include <stdint.h>

#include "lib/err.h"

/* *ret: a descriptor of the file. */
must_check int serving_begin(int *ret, struct err *e);
/* So many pages are left. */
void serving_note(int fd, uint64_t left);
/* Removes the file; the descriptor goes with the process. */
void serving_end(int fd);

/*
 * Waits until no memory of the tree is outstanding. Said after patience seconds without a page, 0: never: they may not
 * come.
 */
must_check int serving_await(int tree, unsigned int patience, struct err *e);

#endif
