/*
 * The end of a restore for connections: what blocks them is removed, and they go on. It happens once and whole, by a process of its
 * own that waits for our word; when we are killed it looks whether the tree lives, and does it if so.
 */
#ifndef STASIS_RESTORE_NETWORK_H
#define STASIS_RESTORE_NETWORK_H

#include "restore/restore.h"

/* Before the tree can be without us. */
must_check int network_prepare(struct restore *r, struct err *e);
void network_undo(struct restore *r);
/* The tree is whole, and does not run yet. */
void network_go(struct restore *r);

#endif
