/*
 * Action scripts: programs of the user that run at the events of a dump or restore ("pre-dump",
 * "post-restore"...), told by the environment what happens.
 */
#ifndef STASIS_LIB_SCRIPTS_H
#define STASIS_LIB_SCRIPTS_H

#include "lib/err.h"
#include "lib/options.h"

/*
 * Runs all scripts, the last given first, every one even if another has failed. init_pid is the
 * root task's pid as we see it, 0 while there is none. The error is about the first that failed;
 * its code is -ECANCELED for "post-dump", which has an exit status of its own, and -EINVAL
 * otherwise.
 */
must_check int scripts_run(const struct options *opt, const char *event, int init_pid,
			   struct err *e);

#endif
