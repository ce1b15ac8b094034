/* --status-fd: whoever has started a server is told when it takes requests. */
#ifndef STASIS_LIB_STATUS_H
#define STASIS_LIB_STATUS_H

#include "lib/err.h"
#include "lib/options.h"

/* Writes the byte and closes the descriptor; nothing without the option. */
must_check int status_write(const struct options *opt, struct err *e);
/* The same behind the event "status-ready", for clients and action scripts. */
must_check int status_ready(const struct options *opt, struct err *e);

#endif
