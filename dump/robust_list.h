/* What has to be undone before the tree is ended; dump/task/robust_list.c. */
#ifndef STASIS_DUMP_ROBUST_LIST_H
#define STASIS_DUMP_ROBUST_LIST_H

#include "dump/dump.h"

/*
 * The kernel walks a thread's list of robust mutexes when the thread ends, and tells whoever waits for one that its owner
 * has died: in files that are mapped shared that would still be there after the restore. Empties the lists, where there
 * is something in them; to be called when the tree is going to be ended at once.
 */
void robust_lists_forget(struct dump *d);

#endif
