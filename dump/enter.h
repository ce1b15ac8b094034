/* Where the runner finds room in a stopped task. */
#ifndef STASIS_DUMP_ENTER_H
#define STASIS_DUMP_ENTER_H

#include "dump/dump.h"

/*
 * Fills t->injection for inject_open: the first so many threads of the task, and an arena of size bytes. t->vmas and the
 * threads' registers have been read.
 */
must_check int enter_prepare(struct task *t, size_t threads, size_t size, struct err *e);

#endif
