/* Reading the images of the tree and checking that they fit together, before anything is made. */
#ifndef STASIS_RESTORE_LOAD_H
#define STASIS_RESTORE_LOAD_H

#include "restore/restore.h"

must_check int load_tree(struct restore *r, struct err *e);
/* The task with this pid, helpers included; NULL if there is none. */
struct rtask *load_find(const struct restore *r, int pid);
/* Frees all images that belong to the tree, whichever of them are there. */
void load_close(struct restore *r);
struct rtask *load_add_task(struct restore *r, struct err *e);

#endif
