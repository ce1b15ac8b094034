/*
 * 'stasis protect': an increment of a running tree every interval, for as long as it lives. Each is complete and on disk
 * before it counts (dump/chain.h); what was written in between is told by the tracking that the increment before has left
 * (images/tracking.h).
 */
#ifndef STASIS_DUMP_PROTECT_H
#define STASIS_DUMP_PROTECT_H

#include <stdio.h>

#include "lib/err.h"
#include "lib/options.h"

/*
 * Says on 'out' what each increment costs. Returns 0 when the process has ended by itself, or when SIGINT, SIGTERM or
 * SIGHUP has asked for an end; nothing of it is tracked any more then.
 */
must_check int protect_run(const struct options *opt, FILE *out, struct err *e);

#endif
