/* The first process: an empty address space with nothing but the arena. */
#ifndef STASIS_RESTORE_SPAWN_H
#define STASIS_RESTORE_SPAWN_H

#include "restore/restore.h"

/* Chooses an address for the arena that is free in all tasks, and makes it. */
must_check int spawn_arena(struct restore *r, struct err *e);
void spawn_close(struct restore *r);
/* Starts a task that no other task creates. */
must_check int spawn_root(struct rtask *t, struct err *e);

#endif
