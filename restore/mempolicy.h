/* NUMA: policies of a thread and of mappings, set before pages come so that these lie where they are to. */
#ifndef STASIS_RESTORE_MEMPOLICY_H
#define STASIS_RESTORE_MEMPOLICY_H

#include "restore/restore.h"

/* Adds the setting of the leader's own policy, first in the plan of its memory. */
void mempolicy_begin(const struct rtask *t, struct plan *p);
/* Adds the setting of the policy of v, which has just been mapped or is the parent's. */
void mempolicy_bind(const struct rtask *t, const VmaEntry *v, bool inherited, struct plan *p);

#endif
