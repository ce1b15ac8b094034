/* What the kernel writes for a thread that ends. */
#ifndef STASIS_DUMP_COW_EXIT_H
#define STASIS_DUMP_COW_EXIT_H

#include "dump/cow_work.h"

/* Releases where the list of robust mutexes of a thread, which stands at its end, says that something will be written. */
void cow_exit_robust(struct cow_work *w, struct cow_space *s, int tid);

#endif
