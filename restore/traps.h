/* SIGTRAP, which ends the plans of a restore: what a task had of its own of that; restore/traps.c. */
#ifndef STASIS_RESTORE_TRAPS_H
#define STASIS_RESTORE_TRAPS_H

#include "restore/restore.h"

/* What the leader's image says of signal n; NULL: nothing. It has 62 in order, without SIGKILL and SIGSTOP. */
const SaEntry *action_of(const CoreEntry *core, int n);
/* When no plan will run in the task any more, and the arena is still there. Every signal of the leader is blocked then. */
must_check int traps_restore(struct rtask *t, struct err *e);

#endif
