/*
 * The network lock of a dump: the connections of the tree stand still as the tree does, and stay so until a restore lets them go on. While the
 * dump can still fail the lock goes with us; the one that stays comes last.
 */
#ifndef STASIS_DUMP_NETWORK_H
#define STASIS_DUMP_NETWORK_H

#include "dump/dump.h"
#include "lib/netlock.h"

/* Blocks these too, unless --network-lock=skip. */
must_check int network_block(struct dump *d, const struct netlock_pair *pairs, size_t count,
			     struct err *e);
/* Those of them that the images carry, of which there may be none; the lock that stays is for them. */
void network_carries(struct dump *d, const struct netlock_pair *pairs, size_t count);
/* Leaves a lock behind for a restore, named after the images. */
must_check int network_leave(struct dump *d, struct err *e);
/* The one that goes with us. */
void network_release(struct dump *d);
/* Scripts and clients hear that a network namespace stands still, or goes on; only if the tree has one of its own. */
must_check int network_tell_locked(void *dump, struct err *e);
void network_tell_unlocked(void *dump);
/* Whether connections are in the images, and somebody has to block them. */
bool network_is_blocked(const struct dump *d);

#endif
