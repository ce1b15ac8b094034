/*
 * --pidfile: the pid of the root task, in decimal without a newline, in a file that was not
 * there.
 */
#ifndef STASIS_LIB_PIDFILE_H
#define STASIS_LIB_PIDFILE_H

#include "lib/err.h"
#include "lib/options.h"

/*
 * Creates opt->pidfile (relative to the work directory, mode 0600); a file of that name is an
 * error. Does nothing without --pidfile.
 */
must_check int pidfile_write(const struct options *opt, int pid, struct err *e);
/* Takes back what pidfile_write() has created, when the restore fails later. Never fails. */
void pidfile_remove(const struct options *opt);

#endif
