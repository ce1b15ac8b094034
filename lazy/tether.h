/*
 * The last resort: when the last process that shares our table of descriptors dies, the kernel ends the tree before it
 * closes the userfaultfds, so nobody is given zeros.
 *
 * The readers of a pipe can ask for a signal to a process of their choice (F_SETOWN, F_SETSIG, O_ASYNC), and the end of its
 * writer is a reason for it. The kernel closes the descriptors of a dead process in the order of their numbers: so the writer
 * has the highest number; another pipe whose writer has the lowest is for kernels that go the other way.
 */
#ifndef STASIS_LAZY_TETHER_H
#define STASIS_LAZY_TETHER_H

#include <stddef.h>

#include "lib/err.h"

struct tether_end {
	int pid, fds[2];
};

struct tether {
	int writers[2];
	struct tether_end *ends;
	size_t count;
};

/* Takes the place of our standard input. */
must_check int tether_begin(struct tether *t, struct err *e);
must_check int tether_add(struct tether *t, int pid, struct err *e);
/* The same of one that may be known. */
void tether_try(struct tether *t, int pid);
/* Children of those that are known, and theirs. */
void tether_look(struct tether *t);
/* The process lives on without us from now on; 0: all of them. */
void tether_cut(struct tether *t, int pid);
void tether_descriptors(const struct tether *t, void (*add)(void *arg, int fd), void *arg);

#endif
