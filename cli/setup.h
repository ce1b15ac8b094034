/* What comes before a command: privileges, directories, the log. */
#ifndef STASIS_CLI_SETUP_H
#define STASIS_CLI_SETUP_H

#include "cli/options.h"

/* Descriptors 0 to 2 are open, so that no file of ours gets such a number. */
void setup_stdio(void);
/*
 * Checks privileges, opens the images and work directories, changes into the latter, opens the
 * log.
 */
must_check int setup_run(struct invocation *inv, struct err *e);
/* Opens the log of these options in the work directory, which is the current one. */
must_check int setup_log(const struct options *opt, struct err *e);

#endif
