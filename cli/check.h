/* stasis check: every kernel feature, there or missing and what that costs. */
#ifndef STASIS_CLI_CHECK_H
#define STASIS_CLI_CHECK_H

#include "lib/err.h"
#include "lib/options.h"

/*
 * Prints on standard output. 0 if everything that was demanded is there, else -ENOTSUP with a
 * sentence.
 */
must_check int check_run(const struct options *opt, struct err *e);

#endif
