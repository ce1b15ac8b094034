/*
 * Action scripts: programs of the user that run at the events of a dump or restore ("pre-dump",
 * "post-restore"...), told by the environment what happens.
 */
#ifndef STASIS_LIB_SCRIPTS_H
#define STASIS_LIB_SCRIPTS_H

#include <stdbool.h>

#include "lib/client.h"
#include "lib/err.h"
#include "lib/options.h"

/* Somebody looks at the tree at its events. */
bool scripts_wanted(const struct options *opt);
/* Tells the client of an event that is not for scripts. Nothing without one. */
must_check int scripts_tell(const struct options *opt, const struct event *event, struct err *e);
/*
 * Tells the client, and then runs all scripts, the last given first, every one even if another has failed. init_pid is the
 * root task's pid as we see it, 0 while there is none. The error is about the first that failed;
 * its code is -ECANCELED for "post-dump", which has an exit status of its own, and -EINVAL
 * otherwise. A client that does not agree is such a failure too, and then no script runs.
 */
must_check int scripts_run(const struct options *opt, const char *event, int init_pid,
			   struct err *e);

#endif
