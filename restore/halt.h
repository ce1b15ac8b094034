/* Tasks that are to stand still when they are let go; restore/halt.c. */
#ifndef STASIS_RESTORE_HALT_H
#define STASIS_RESTORE_HALT_H

#include "restore/restore.h"

/* Stops those that were stopped, or all (--leave-stopped). Their registers and masks are their own already. */
must_check int halt_tasks(struct restore *r, struct err *e);

#endif
