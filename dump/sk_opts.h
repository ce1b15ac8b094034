/* Options of SOL_SOCKET, which sockets of every family have. */
#ifndef STASIS_DUMP_SK_OPTS_H
#define STASIS_DUMP_SK_OPTS_H

#include "dump/dump.h"
#include "images/fd/sk_opts.pb-c.h"

/* Reads them from a copy of the descriptor into a message of the dump's pool. */
must_check int sk_opts_read(struct dump *d, int fd, SkOptsEntry **ret, struct err *e);
/* One whose value is a number. */
must_check int sk_opts_number(int fd, int option, int *ret, struct err *e);

#endif
