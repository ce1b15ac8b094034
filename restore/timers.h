/* What restore/task/posix_timers.c and sigpending.c have to agree upon: who brings back the signal of a timer. */
#ifndef STASIS_RESTORE_TIMERS_H
#define STASIS_RESTORE_TIMERS_H

#include <signal.h>

#include "restore/restore.h"

/*
 * Whether this signal that waits comes back by itself, since its timer is set so that it has gone off already (and
 * run over as often as it had).
 */
bool timer_brings(const struct rtask *t, const siginfo_t *signal);

#endif
