/* core-PID.img and its likes: the frame that the kinds fill, and writing it. */
#ifndef STASIS_DUMP_CORE_H
#define STASIS_DUMP_CORE_H

#include "dump/dump.h"
#include "images/inventory.pb-c.h"

/* Messages of a task with everything that they must have, before the kinds are asked. */
void core_prepare(struct task *t);
/* Both for the background; they take a struct task. core-* of all threads, as soon as they have been asked. */
must_check int core_save_threads(void *task, struct err *e);
/* ids-* and mm-*; core-* of the dead. */
must_check int core_save_rest(void *task, struct err *e);
/* pstree.img. */
must_check int core_save_tree(struct dump *d, struct err *e);
/* What makes the folder complete. Lives in the pool. */
must_check int core_inventory(struct dump *d, InventoryEntry **ret, struct err *e);
/* The same for a folder that holds memory only, as pre-dumps do. images: its name, NULL: none. */
const InventoryEntry *core_inventory_round(struct dump *d, const char *images);

#endif
