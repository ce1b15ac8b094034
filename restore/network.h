/*
 * The end of a restore for connections. They leave TCP_REPAIR before the tree can run, and what blocks them is removed when it is
 * whole, by a process of its own that waits for our word. When we are killed it looks whether the tree lives: then it removes the lock,
 * else it sees to it that the other sides hear nothing, and the lock that the dump has left stays for another try.
 */
#ifndef STASIS_RESTORE_NETWORK_H
#define STASIS_RESTORE_NETWORK_H

#include "restore/restore.h"

/*
 * In a network namespace that is new. There no lock of the dump is left, which would outlive us: and a namespace outlives us, too, by the
 * moment that its end takes.
 */
must_check int network_block_new(struct restore *r, struct err *e);
/* Before the tree can be without us. */
must_check int network_prepare(struct restore *r, struct err *e);
void network_undo(struct restore *r);
/* The tree is whole, and does not run yet. */
void network_go(struct restore *r);

#endif
