/* 'service' and 'swrk': where requests come from. The protocol is in docs/rpc.md. */
#ifndef STASIS_CLI_SERVICE_H
#define STASIS_CLI_SERVICE_H

#include "cli/options.h"

/* Takes connections on a socket until it is killed. */
must_check int service_run(const struct options *opt, struct err *e);
/* Serves the socket whose number follows the command, and ends with it. Only returns with an error. */
must_check int swrk_run(const struct invocation *inv, struct err *e);

#endif
