/*
 * The first process of a pid namespace heeds no signal that the kernel sends for somebody else, so no tether (lazy/tether.h) ends
 * it. A third process holds its userfaultfd as well, in a table of its own, and ends it when both who serve are gone.
 */
#ifndef STASIS_LAZY_WITNESS_H
#define STASIS_LAZY_WITNESS_H

#include "lib/err.h"

/* *ret_line: it holds on as long as that is open in those who serve. */
must_check int witness_begin(int pid, int uffd, int *ret_line, struct err *e);
/* Nothing is outstanding any more. */
void witness_end(int *line);

#endif
